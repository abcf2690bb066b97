"""A folder of results that appears whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcplugin.errors import OutputError


@contextmanager
def output_folder(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give an empty folder to write into; move what it holds to ``folder`` once all is written.

    With ``overwrite`` files of the same names are replaced and all others are left alone.

    Raises
    ------
    OutputError
        If ``folder`` exists and may not be overwritten, or cannot be written. On any error
        nothing is left behind.
    """
    if folder.exists() and not overwrite:
        raise OutputError(f"{folder} exists: choose another --out or add --overwrite")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder: choose another --out")
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    except OSError as error:
        _remove_empty(made)
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        yield unfinished
        for file in unfinished.iterdir():
            file.replace(folder / file.name)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
