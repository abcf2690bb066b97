"""The C form of trained weights, which libmcplugin reads: from a file, or compiled in.

All numbers are little-endian. A generator of thermal electrons with n units and k functions of
temperature becomes 8 bytes ``MCPGAN\\r\\n``; uint32 version, n, k, reserved (0); uint64 length of
the whole; float64 lowest and highest theta, base[3n + 1], modulation[k][3n + 1], theta_scale[k];
uint32 CRC-32 of everything before it.

One of Compton events, whose networks of the cosine and of the momentum have P numbers and k
functions of temperature each, becomes 8 bytes ``MCPEVT\\r\\n``; uint32 version, units of the
cosine, units of the momentum's first and second layer (0: there is none), k of the cosine and of
the momentum; uint64 length of the whole; float64 lowest and highest theta, highest photon energy x,
and for each network base[P], modulation[k][P], root_theta_scale[k]; uint32 CRC-32 of everything
before it.

The build of the package loads this file by its path, before anything is installed: it imports the
standard library alone and nothing of mcplugin.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

MAGIC = b"MCPGAN\r\n"
EVENT_MAGIC = b"MCPEVT\r\n"
VERSION = 1
# What csrc/src/generator.h has room for.
MOST_UNITS = 64
MOST_CONDITIONING = 16
# And csrc/src/event_generator.h.
MOST_EVENT_UNITS = 32
MOST_EVENT_CONDITIONING = 8

# Arguments of the two networks of an event, of which the last three are features with a scale.
_ARGUMENTS = {"cosine": 4, "momentum": 5}
_FEATURES = 3


def c_form_of(tensors: Mapping[str, Any], card: Mapping[str, Any]) -> bytes:
    """Encode trained weights of either kind.

    Parameters
    ----------
    tensors : mapping of str to arrays
        Parameters by name, as arrays or as (rows of) numbers.
    card : mapping
        Their card, as :class:`mcplugin.learning.weights.Weights` has it.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If they are of a form that the library does not know, do not fit together, or are too many
        for the library.
    """
    form = card["form"]
    if form not in ("thermal", "compton-event"):
        raise ValueError(
            f"a generator of the form {form!r} has no C form, which only those of thermal "
            "electrons ('thermal') and of Compton events ('compton-event') have"
        )
    try:
        low, high = card["theta_range"]
        if form == "compton-event":
            return _event_c_form(tensors, card["hidden"], (low, high), card["x_range"][1])
        return c_form(tensors["base"], tensors["modulation"], tensors["theta_scale"], (low, high))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the weights or their card are incomplete: {error!r}") from error


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
    return _encoded(MAGIC, [units, conditioning, 0], numbers)


def _event_c_form(
    tensors: Mapping[str, Any],
    hidden: Mapping[str, Sequence[int]],
    theta_range: tuple[float, float],
    x_max: float,
) -> bytes:
    """Encode a generator of Compton events."""
    (cosine_units,) = hidden["cosine"] if len(hidden["cosine"]) == 1 else (0,)
    first, second = [*hidden["momentum"], 0, 0][:2]
    conditioning = [len(tensors[f"{name}_root_theta_scale"]) for name in _ARGUMENTS]
    if not (
        1 <= cosine_units <= MOST_EVENT_UNITS
        and 1 <= first <= MOST_EVENT_UNITS
        and 0 <= second <= MOST_EVENT_UNITS
        and len(hidden["momentum"]) <= 2
        and all(1 <= k <= MOST_EVENT_CONDITIONING for k in conditioning)
    ):
        raise ValueError(
            f"a generator with hidden units {dict(hidden)} and {conditioning} conditioning "
            f"functions has no C form, which has room for one layer of the cosine and two of the "
            f"momentum of up to {MOST_EVENT_UNITS} units, and {MOST_EVENT_CONDITIONING} functions: "
            "train a smaller one"
        )
    numbers = [*theta_range, x_max]
    for name, arguments in _ARGUMENTS.items():
        size = _network_size(arguments, hidden[name])
        base, modulation, scale = (
            tensors[f"{name}_{part}"] for part in ("base", "modulation", "root_theta_scale")
        )
        if len(base) != size or [len(row) for row in modulation] != [size] * len(scale):
            raise ValueError(
                f"{name}_base, {name}_modulation, {name}_root_theta_scale and hidden units "
                f"{list(hidden[name])} do not fit together"
            )
        numbers += [*base, *(x for row in modulation for x in row), *scale]
    return _encoded(EVENT_MAGIC, [cosine_units, first, second, *conditioning], numbers)


def _network_size(arguments: int, hidden: Sequence[int]) -> int:
    """Slopes and offsets of the layers, amplitudes, skip, bias and scales of a network."""
    widths = [arguments, *hidden]
    layers = sum(units * (width + 1) for width, units in zip(widths, hidden, strict=False))
    return layers + widths[-1] + arguments + 1 + _FEATURES


def _encoded(magic: bytes, counts: Sequence[int], numbers: Sequence[float]) -> bytes:
    content = struct.pack(f"<{len(numbers)}d", *numbers)
    header = struct.Struct(f"<8s{1 + len(counts)}IQ")
    crc = struct.Struct("<I")
    length = header.size + len(content) + crc.size
    content = header.pack(magic, VERSION, *counts, length) + content
    return content + crc.pack(zlib.crc32(content))


def c_form_of_file(path: Path) -> bytes:
    """Encode the generator in a ``.safetensors`` file with its card beside it.

    Within the installed package :func:`mcplugin.learning.weights.load_weights` does the reading.

    Raises
    ------
    ValueError
        If the file is not the one that its card describes, or as :func:`c_form_of`.
    """
    content = path.read_bytes()
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ValueError(f"{path} is not the generator that its card describes")
    return c_form_of(_safetensors(content), card)


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
