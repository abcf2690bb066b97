"""The C form of trained weights, which libmcplugin reads: from a file, or compiled in.

All numbers are little-endian: 8 bytes ``MCPGAN\\r\\n``; uint32 version, units n, conditioning k,
reserved (0); uint64 length of the whole; float64 lowest and highest theta, base[3n + 1],
modulation[k][3n + 1], theta_scale[k]; uint32 CRC-32 of everything before it.

The build of the package loads this file by its path, before anything is installed: it imports the
standard library alone and nothing of mcplugin.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

MAGIC = b"MCPGAN\r\n"
VERSION = 1
# What csrc/src/generator.h has room for.
MOST_UNITS = 64
MOST_CONDITIONING = 16


def c_form(
    base: Collection[float],
    modulation: Collection[Collection[float]],
    theta_scale: Collection[float],
    theta_range: tuple[float, float],
) -> bytes:
    """Encode a generator of thermal electrons.

    Parameters
    ----------
    base : 3n + 1 numbers
    modulation : k rows of 3n + 1 numbers
    theta_scale : k numbers
    theta_range : (float, float)
        The attributes of :class:`mcplugin.learning.radial_map.ThermalMap`.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the numbers do not fit together or are too many for the library.
    """
    units, conditioning = len(base) // 3, len(theta_scale)
    if len(base) != 3 * units + 1 or [len(row) for row in modulation] != [len(base)] * conditioning:
        raise ValueError("base, modulation and theta_scale do not fit together")
    if not (1 <= units <= MOST_UNITS and 1 <= conditioning <= MOST_CONDITIONING):
        raise ValueError(
            f"a generator with {units} units and {conditioning} conditioning functions has no C "
            f"form, which has room for {MOST_UNITS} and {MOST_CONDITIONING}: train a smaller one"
        )
    numbers = [*theta_range, *base, *(x for row in modulation for x in row), *theta_scale]
    content = struct.pack(f"<{len(numbers)}d", *numbers)
    header = struct.Struct("<8s4IQ")
    crc = struct.Struct("<I")
    length = header.size + len(content) + crc.size
    content = header.pack(MAGIC, VERSION, units, conditioning, 0, length) + content
    return content + crc.pack(zlib.crc32(content))


def c_form_of_file(path: Path) -> bytes:
    """Encode the generator in a ``.safetensors`` file with its card beside it.

    Within the installed package :func:`mcplugin.learning.weights.load_weights` does the reading.

    Raises
    ------
    ValueError
        If the file is not the one that its card describes, or no generator of thermal electrons.
    """
    content = path.read_bytes()
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if hashlib.sha256(content).hexdigest() != card["sha256"] or card["form"] != "thermal":
        raise ValueError(f"{path} is not the thermal generator that its card describes")
    tensors = _safetensors(content)
    low, high = card["theta_range"]
    return c_form(tensors["base"], tensors["modulation"], tensors["theta_scale"], (low, high))


def _safetensors(content: bytes) -> dict[str, Any]:
    """Arrays by name, as lists: a length, a JSON header, and the numbers that it points into."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors: dict[str, Any] = {}
    for name, described in header.items():
        if described["dtype"] != "F64":
            raise ValueError(f"{name} is {described['dtype']}, not F64")
        first, last = described["data_offsets"]
        flat = struct.unpack_from(f"<{(last - first) // 8}d", content, 8 + length + first)
        shape = described["shape"]
        rows = [flat[i * shape[-1] : (i + 1) * shape[-1]] for i in range(len(flat) // shape[-1])]
        tensors[name] = rows if len(shape) > 1 else flat
    return tensors
