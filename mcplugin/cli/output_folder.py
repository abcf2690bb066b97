"""A folder of results that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from mcplugin.errors import OutputError


@contextmanager
def output_folder(folder: Path, names: Collection[str], overwrite: bool) -> Iterator[Path]:
    """Give an empty folder to write into; move what it holds to ``folder`` once all is written.

    With ``overwrite`` any of the files ``names`` already there are replaced, or removed if they are
    not written this time; all others are left alone.

    Raises
    ------
    OutputError
        If ``folder`` exists and may not be overwritten, or cannot be written. On any error
        nothing is left behind.
    """
    # os.path.exists, unlike Path.exists, also takes names that no file can have.
    if os.path.exists(folder) and not overwrite:
        raise OutputError(f"{folder} exists: choose another --out or add --overwrite")
    if os.path.exists(folder) and not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder: choose another --out")
    made = [parent for parent in (folder, *folder.parents) if not os.path.exists(parent)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    except OSError as error:
        _remove_empty(made)
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        yield unfinished
        for name in names:
            if (unfinished / name).exists():
                (unfinished / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
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
