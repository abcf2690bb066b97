"""What is kept of a run on disk, so that it can go on after whatever ended it.

A checkpoint is an HDF5 file behind a block of 512 bytes that says what it is and holds the SHA-256
of all the rest. It is written under another name and moved over the old one when it is safe on the
disk, so that there is a valid checkpoint at any time.
"""

import hashlib
import io
import json
import logging
import os
import re
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mcplugin.errors import (
    CheckpointError,
    CheckpointWarning,
    McpluginError,
    OutputError,
    reason_of,
)
from mcplugin.transport.chunks import Task
from mcplugin.transport.configuration import Configuration
from mcplugin.transport.tally import BinnedPhotons, Tally

_FORMAT = 1
_BLOCK = 512
_TITLE = "checkpoint of mcplugin, format"
_HEADER = re.compile(rb"checkpoint of mcplugin, format (\d+)\nsha256 ([0-9a-f]{64})\n\0*")
# So many photons are followed anew to see whether they still end where they did.
_PROBE = 16
# A run spends this share of its time on checkpoints: writing one takes milliseconds on most disks,
# and a second on some that a cluster shares.
_SHARE_OF_TIME = 0.01
_SECONDS_TO_NEXT_TRY = 10.0

_BINNED = ("seeds", "by_angle", "by_order")
_COUNTS = (
    *("photons", "escaped", "absorbed", "cut"),
    *("scatterings", "electron_draws", "exact_scatterings"),
)

_log = logging.getLogger("mcplugin.transport")


@dataclass(frozen=True)
class Clock:
    """Time that a run took so far, over all its parts.

    Attributes
    ----------
    seconds : float
        On the wall.
    working_seconds, sampler_seconds : float
        Of all workers together, and the part of it that the sampler took.
    """

    seconds: float = 0.0
    working_seconds: float = 0.0
    sampler_seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A run so far: photons 0 to ``tally.photons - 1``.

    Attributes
    ----------
    configuration : Configuration
        What is run, the number of photons that was asked for last included.
    fingerprint : str
        What the first photons became: see :func:`fingerprint`.
    tally : Tally
        The exact sums.
    clock : Clock
        What it took.
    """

    configuration: Configuration
    fingerprint: str
    tally: Tally
    clock: Clock

    def write(self, path: str | os.PathLike[str]) -> None:
        """Replace the file at once, or leave it as it is.

        Raises
        ------
        OutputError
            If it cannot be written; what was there before is still valid.
        """
        path = Path(path)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        content = self._in_hdf5()
        header = f"{_TITLE} {_FORMAT}\nsha256 {hashlib.sha256(content).hexdigest()}\n"
        try:
            with open(unfinished, "wb") as file:
                file.write(header.encode().ljust(_BLOCK, b"\0"))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            _sync_folder(path.parent)
        except (OSError, ValueError) as error:
            with suppress(OSError, ValueError):
                unfinished.unlink()
            raise OutputError(f"cannot write the checkpoint {path}: {reason_of(error)}") from error

    def _in_hdf5(self) -> memoryview:
        """The file without its first block."""
        memory = io.BytesIO()
        header = {
            "version": version("mcplugin"),
            "configuration": self.configuration.model_dump(mode="json", exclude_none=True),
            "fingerprint": self.fingerprint,
            "clock": asdict(self.clock),
            "counts": {name: getattr(self.tally, name) for name in _COUNTS},
            # Exact, and far beyond 64 bits.
            "totals": [hex(total) for total in self.tally.totals],
        }
        with h5py.File(memory, "w", userblock_size=_BLOCK) as file:
            file["run"] = json.dumps(header)
            for name in _BINNED:
                for part in fields(BinnedPhotons):
                    values = getattr(getattr(self.tally, name), part.name)
                    file.create_dataset(f"{name}/{part.name}", data=values, compression=1)
        return memory.getbuffer()[_BLOCK:]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Checkpoint":
        """Read a checkpoint, and refuse whatever is not exactly what was written.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, no checkpoint, or of a later format.
        """
        try:
            content = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"cannot read the checkpoint {path}: {reason_of(error)}"
            ) from error
        if not content.startswith(_TITLE.encode()):
            raise CheckpointError(f"{path} is not a checkpoint of mcplugin")
        header = _HEADER.fullmatch(content[:_BLOCK])
        if header and int(header[1]) > _FORMAT:
            raise CheckpointError(
                f"{path} is a checkpoint of format {int(header[1])}, and this version of mcplugin "
                f"reads formats up to {_FORMAT}: update mcplugin"
            )
        damaged = f"the checkpoint {path} is damaged: take a copy of it, or start the run anew"
        if not header or hashlib.sha256(content[_BLOCK:]).hexdigest() != header[2].decode():
            raise CheckpointError(damaged)
        try:
            return cls._of_hdf5(content)
        except McpluginError as error:
            raise CheckpointError(
                f"the run of the checkpoint {path} is refused: {error}"
            ) from error
        except (OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{damaged} ({error})") from error

    @classmethod
    def _of_hdf5(cls, content: bytes) -> "Checkpoint":
        with h5py.File(io.BytesIO(content), "r") as file:
            header: dict[str, Any] = json.loads(file["run"].asstr()[()])
            binned = {
                name: BinnedPhotons(
                    **{part.name: np.array(file[name][part.name]) for part in fields(BinnedPhotons)}
                )
                for name in _BINNED
            }
        sums: dict[str, Any] = {
            **header["counts"],
            "totals": tuple(int(total, 16) for total in header["totals"]),
            **binned,
        }
        return cls(
            configuration=Configuration.load(header["configuration"]),
            fingerprint=header["fingerprint"],
            tally=Tally(**sums),
            clock=Clock(**header["clock"]),
        )


def fingerprint(task: Task) -> str:
    """What the first few photons become, as the digest of their tally.

    It differs when the sampler, its weights, the package or the machine no longer give a run the
    same bits.
    """
    return task(0, _PROBE).tally.digest()


class Keeper:
    """Keeps a run in its checkpoint as it goes on, at a hundredth of the run's time.

    Parameters
    ----------
    path : path-like
        The file; it need not exist yet.
    task : Task
        What is run.
    configuration : Configuration
        As it was asked for.
    """

    def __init__(
        self, path: str | os.PathLike[str], task: Task, configuration: Configuration
    ) -> None:
        self._path = Path(path)
        self._configuration = configuration
        self._fingerprint = fingerprint(task)
        self._due = 0.0

    def begin(self, tally: Tally, clock: Clock) -> tuple[Tally, Clock]:
        """Give what an existing checkpoint holds, else what was given; write it in either case.

        Raises
        ------
        CheckpointError
            If the file is no valid checkpoint of this run.
        OutputError
            If it cannot be written.
        """
        if os.path.lexists(self._path):
            saved = Checkpoint.read(self._path)
            self._refuse_another(saved)
            tally, clock = saved.tally, saved.clock
        self._write(tally, clock)
        self._due = 0.0
        return tally, clock

    def keep(self, tally: Tally, clock: Clock, *, last: bool) -> None:
        """Write the checkpoint if it is time to, or if this is the last of the run.

        Warns
        -----
        CheckpointWarning
            If it cannot be written. The next call tries again.
        """
        if not last and time.monotonic() < self._due:
            return
        try:
            self._write(tally, clock)
        except OutputError as error:
            self._due = time.monotonic() + _SECONDS_TO_NEXT_TRY
            _log.warning("checkpoint failed", extra={"path": str(self._path), "error": str(error)})
            warnings.warn(
                f"{error}; the last one that could is still valid", CheckpointWarning, stacklevel=3
            )

    def _write(self, tally: Tally, clock: Clock) -> None:
        begun = time.monotonic()
        Checkpoint(self._configuration, self._fingerprint, tally, clock).write(self._path)
        ended = time.monotonic()
        self._due = ended + (ended - begun) / _SHARE_OF_TIME
        _log.info(
            "checkpoint written",
            extra={"path": str(self._path), "done": tally.photons, "seconds": ended - begun},
        )

    def _refuse_another(self, saved: Checkpoint) -> None:
        """Refuse to go on with another run than the one that the checkpoint is of."""
        was, now = (
            {
                f"{section}.{key}": value
                for section, content in each.model_dump(mode="json").items()
                for key, value in content.items()
            }
            for each in (saved.configuration, self._configuration)
        )
        for key in sorted(was.keys() | now.keys()):
            if key != "run.photons" and was.get(key) != now.get(key):
                raise CheckpointError(
                    f"{self._path} is the checkpoint of another run, with {key} = "
                    f"{was.get(key)!r} and not {now.get(key)!r}: name another file"
                )
        asked, done = self._configuration.run.photons, saved.tally.photons
        if asked < done:
            raise CheckpointError(
                f"photons = {asked:,} is below the {done:,} that {self._path} already holds: ask "
                "for at least as many"
            )
        if saved.fingerprint != self._fingerprint:
            raise CheckpointError(
                f"photons end differently now than when {self._path} was begun, with another "
                "version of the sampler, of mcplugin or of its packages: start the run anew"
            )


def _sync_folder(folder: Path) -> None:
    """Make a change of names in a folder safe from a failure of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
