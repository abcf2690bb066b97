"""The machine and the versions behind a measured figure."""

import json
import os
import platform
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcplugin.transport.simulation import available_cores

_PROCESSORS = Path("/proc/cpuinfo")


def machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, and versions.

    Returns
    -------
    dict
        ``processor``, ``cores``, ``python``, and a version per package that speed depends on.
    """
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("mcplugin", "numpy", "scipy", "numba")},
    }


def now() -> str:
    """The time in UTC as ISO 8601 writes it, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def validation_command(sampler: str, options: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    """The command that validates a sampler again.

    Parameters
    ----------
    sampler : str
        Its tag.
    options : mapping
        Its constructor options; those that are None are left out.
    numbers : mapping
        Sample sizes and seed, by the names of the command's options.
    """
    words = ["mcplugin", "validate", sampler]
    for key, value in options.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            words += ["--option", f"{key}={text}"]
    for name, number in numbers.items():
        words += [f"--{name}", str(number)]
    return shlex.join(words)


def _processor() -> str:
    """The processor's name as Linux tells it, or what Python knows elsewhere."""
    if os.access(_PROCESSORS, os.R_OK):
        for line in _PROCESSORS.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
