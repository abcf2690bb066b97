"""What happens in a run as lines of JSON, for machines to read while it goes on and afterwards."""

import json
import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mcplugin.errors import OutputError, reason_of

# What every record has; the rest is the event's own.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _JsonLine(logging.Formatter):
    """One event: when, how bad, what, and its details."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        details = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(line | details)


@contextmanager
def log_file(path: Path | None) -> Iterator[None]:
    """Append the package's log to a file while the block runs; nothing if there is none.

    Raises
    ------
    OutputError
        If the file cannot be opened.
    """
    if path is None:
        yield
        return
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write the log {path}: {reason_of(error)}") from error
    handler.setFormatter(_JsonLine())
    with closing(handler), listening(handler):
        yield


@contextmanager
def listening(handler: logging.Handler) -> Iterator[None]:
    """Let a handler hear what the package logs, from INFO on, while the block runs."""
    logger = logging.getLogger("mcplugin")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
