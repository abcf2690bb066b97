"""The C form of trained weights: its bytes, and that the library holds the shipped ones."""

import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mcplugin import native
from mcplugin.cli import main
from mcplugin.learning import c_form as module
from mcplugin.learning.c_form import c_form, c_form_of, c_form_of_file
from mcplugin.learning.event_generator import default_event_weights, load_event_weights
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import Weights, default_weights, load_weights, save_weights


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*arguments):
    """Run ``mcplugin export --format c`` within this process."""
    return CliRunner().invoke(main, ["export", "--format", "c", *arguments])


def unpack(content):
    """Take a file apart, number by number, by nothing but the description of the format."""
    assert content[:8] == b"MCPGAN\r\n"
    version, n, k, reserved = struct.unpack("<4I", content[8:24])
    (length,) = struct.unpack("<Q", content[24:32])
    assert (version, reserved, length) == (1, 0, len(content))
    assert struct.unpack("<I", content[-4:]) == (zlib.crc32(content[:-4]),)
    numbers = np.frombuffer(content[32:-4], dtype="<f8")
    width = 3 * n + 1
    assert numbers.size == 2 + width + k * width + k
    theta_range, base, modulation, theta_scale = np.split(
        numbers, [2, 2 + width, 2 + width + k * width]
    )
    return theta_range, base, modulation.reshape(k, width), theta_scale


def test_exported_numbers_are_the_generator(folder):
    """To the bit, in the described order."""
    done = export("--out", "mj.mcp")
    assert done.exit_code == 0, done.output
    generator = thermal_map(load_weights())
    theta_range, base, modulation, theta_scale = unpack((folder / "mj.mcp").read_bytes())
    assert tuple(theta_range) == generator.theta_range
    assert np.array_equal(base, generator.base)
    assert np.array_equal(modulation, generator.modulation)
    assert np.array_equal(theta_scale, generator.theta_scale)


def test_rows_are_told_from_columns():
    """With 2 units and 3 conditioning functions, each number where it belongs."""
    base = np.arange(7.0)
    modulation = 100.0 * np.arange(1, 4)[:, None] + base
    read = unpack(c_form(base, modulation, [1.5, 2.5, 3.5], (0.25, 4.0)))
    assert read[0].tolist() == [0.25, 4.0]
    assert read[1].tolist() == base.tolist()
    assert read[2].tolist() == modulation.tolist()
    assert read[3].tolist() == [1.5, 2.5, 3.5]


def test_the_library_holds_the_shipped_weights(folder):
    """What is exported by default is what was compiled in."""
    assert export().exit_code == 0
    exported = (folder / "mj-cgan.mcp").read_bytes()
    assert exported in native.library().read_bytes()
    assert exported in native.static_library().read_bytes()


def test_the_build_gets_the_same_bytes_without_any_package(folder):
    """The module is loaded by its path, in a Python that has nothing but its own library."""
    program = (
        "import importlib.util, sys, pathlib\n"
        "spec = importlib.util.spec_from_file_location('c_form', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "pathlib.Path('own.mcp').write_bytes(module.c_form_of_file(pathlib.Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", program, module.__file__, str(default_weights())]
    subprocess.run(command, check=True)
    assert export("--out", "exported.mcp").exit_code == 0
    assert (folder / "own.mcp").read_bytes() == (folder / "exported.mcp").read_bytes()


def test_a_free_generator_has_no_c_form(folder):
    """The library knows those of electrons and of events alone; nothing is written."""
    tensors = {
        "base": np.ones(8),
        "modulation": np.ones((1, 8)),
        "projection": np.ones((1, 1)),
        "shift": np.zeros(1),
        "condition_range": np.array([[0.1, 1.0]]),
    }
    save_weights("free.safetensors", Weights(tensors, {"form": "free", "theta_range": [0.1, 1.0]}))
    done = export("free.safetensors")
    assert done.exit_code == 2
    assert re.fullmatch(r"Error: [^\n]*form 'free' has no C form[^\n]*\n", done.stderr)
    assert not (folder / "free.mcp").exists()
    with pytest.raises(ValueError, match="form 'free' has no C form"):
        c_form_of_file(Path("free.safetensors"))


def test_altered_weights_are_refused(folder):
    """By the build as by the command."""
    for suffix in (".safetensors", ".json"):
        shutil.copy(default_weights().with_suffix(suffix), folder / f"bad{suffix}")
    with open("bad.safetensors", "r+b") as file:
        file.seek(-3, 2)
        file.write(b"\x00\x01\x02")
    with pytest.raises(ValueError, match=r"bad\.safetensors is not"):
        c_form_of_file(Path("bad.safetensors"))
    assert "bad.safetensors is not the file" in export("bad.safetensors").stderr


def test_an_existing_file_is_kept(folder):
    """Unless --overwrite is given."""
    (folder / "there.mcp").write_text("keep me")
    assert "exists" in export("--out", "there.mcp").stderr
    assert (folder / "there.mcp").read_text() == "keep me"
    assert export("--out", "there.mcp", "--overwrite").exit_code == 0
    assert (folder / "there.mcp").read_bytes().startswith(b"MCPGAN")


def save_thermal(units, conditioning):
    """A generator of a given size in ``sized.safetensors``."""
    width = 3 * units + 1
    tensors = {
        "base": np.zeros(width),
        "modulation": np.zeros((conditioning, width)),
        "theta_scale": np.ones(conditioning),
    }
    card = {"form": "thermal", "theta_range": [0.1, 1.0]}
    save_weights("sized.safetensors", Weights(tensors, card))


def test_the_largest_generator_fits(folder):
    """The limits are those of the library's own header."""
    header = Path(__file__).parents[2] / "csrc" / "src" / "generator.h"
    limits = dict(
        re.findall(r"#define (MCP_MAX_UNITS|MCP_MAX_CONDITIONING) (\d+)", header.read_text())
    )
    assert int(limits["MCP_MAX_UNITS"]) == module.MOST_UNITS
    assert int(limits["MCP_MAX_CONDITIONING"]) == module.MOST_CONDITIONING
    save_thermal(module.MOST_UNITS, module.MOST_CONDITIONING)
    assert export("sized.safetensors").exit_code == 0
    assert unpack((folder / "sized.mcp").read_bytes())[3].size == module.MOST_CONDITIONING


@pytest.mark.parametrize("more", [(1, 0), (0, 1)])
def test_a_larger_generator_is_refused(folder, more):
    """At export, not only when the library reads the file."""
    save_thermal(module.MOST_UNITS + more[0], module.MOST_CONDITIONING + more[1])
    done = export("sized.safetensors")
    assert done.exit_code == 2
    assert f"{module.MOST_UNITS + more[0]} units" in done.stderr
    assert "room for 64 and 16: train a smaller one" in done.stderr
    assert not (folder / "sized.mcp").exists()


@pytest.mark.parametrize(
    ("base", "modulation", "scale"),
    [
        (np.zeros(8), np.zeros((1, 8)), np.ones(1)),
        (np.zeros(7), np.zeros((1, 8)), np.ones(1)),
        (np.zeros(7), np.zeros((2, 7)), np.ones(1)),
        (np.zeros(7), np.zeros((1, 7)), np.ones(2)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(base, modulation, scale):
    """No count could be written that is true of them."""
    with pytest.raises(ValueError, match="do not fit together"):
        c_form(base, modulation, scale, (0.1, 1.0))


# ---- Compton events ----


def unpack_events(content):
    """Take a file of events apart by the description of the format; tensors by name, and ranges."""
    assert content[:8] == b"MCPEVT\r\n"
    version, cosine, first, second, *conditioning = struct.unpack("<6I", content[8:32])
    (length,) = struct.unpack("<Q", content[32:40])
    assert (version, length) == (1, len(content))
    assert struct.unpack("<I", content[-4:]) == (zlib.crc32(content[:-4]),)
    numbers = np.frombuffer(content[40:-4], dtype="<f8")
    ranges, numbers = numbers[:3], numbers[3:]
    sizes = (6 * cosine + 8, 6 * first + (first + 2) * second + 9 if second else 7 * first + 9)
    tensors = {}
    for name, size, k in zip(("cosine", "momentum"), sizes, conditioning, strict=True):
        ends = np.cumsum([size, k * size, k])
        base, modulation, scale, numbers = np.split(numbers, ends)
        tensors[f"{name}_base"] = base
        tensors[f"{name}_modulation"] = modulation.reshape(k, size)
        tensors[f"{name}_root_theta_scale"] = scale
    assert numbers.size == 0
    return tensors, ranges


def test_exported_events_are_the_generator(folder):
    """To the bit, and what is exported is what was compiled in."""
    done = export(str(default_event_weights()))
    assert done.exit_code == 0, done.output
    content = (folder / "compton-event.mcp").read_bytes()
    tensors, ranges = unpack_events(content)
    weights = load_event_weights()
    assert tensors.keys() == weights.tensors.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, weights.tensors[name])
    assert ranges.tolist() == [*weights.theta_range, weights.card["x_range"][1]]
    assert content == c_form_of_file(default_event_weights())
    assert content in native.library().read_bytes()


def events_of_size(cosine, momentum, conditioning):
    """Tensors and card of a generator of a given size."""
    sizes = {"cosine": 0, "momentum": 0}
    for name, arguments, hidden in (("cosine", 4, cosine), ("momentum", 5, momentum)):
        width = arguments
        for units in hidden:
            sizes[name] += units * (width + 1)
            width = units
        sizes[name] += width + arguments + 4
    tensors = {}
    for name, size in sizes.items():
        tensors[f"{name}_base"] = np.arange(size, dtype=float)
        tensors[f"{name}_modulation"] = np.ones((conditioning, size))
        tensors[f"{name}_root_theta_scale"] = np.ones(conditioning)
    hidden = {"cosine": list(cosine), "momentum": list(momentum)}
    card = {"form": "compton-event", "hidden": hidden}
    return tensors, {**card, "theta_range": [0.1, 1.0], "x_range": [1e-6, 10.0]}


@pytest.mark.parametrize("momentum", [(1,), (32,), (1, 1), (32, 32)])
def test_the_largest_generator_of_events_fits(momentum):
    """The limits are those of the library's own header."""
    header = Path(__file__).parents[2] / "csrc" / "src" / "event_generator.h"
    limits = dict(
        re.findall(r"#define MCP_MAX_EVENT_(UNITS|CONDITIONING) (\d+)", header.read_text())
    )
    assert int(limits["UNITS"]) == module.MOST_EVENT_UNITS
    assert int(limits["CONDITIONING"]) == module.MOST_EVENT_CONDITIONING
    tensors, card = events_of_size((32,), momentum, 8)
    read, ranges = unpack_events(c_form_of(tensors, card))
    for name, tensor in read.items():
        assert np.array_equal(tensor, tensors[name])
    assert ranges.tolist() == [0.1, 1.0, 10.0]


@pytest.mark.parametrize(
    ("cosine", "momentum", "conditioning"),
    [
        ((33,), (16, 12), 2),
        ((12,), (33, 12), 2),
        ((12,), (16, 33), 2),
        ((12,), (16, 12), 9),
        ((12, 4), (16, 12), 2),
        ((12,), (8, 8, 8), 2),
        ((12,), (), 2),
    ],
)
def test_a_larger_generator_of_events_is_refused(folder, cosine, momentum, conditioning):
    tensors, card = events_of_size(cosine, momentum, conditioning)
    with pytest.raises(ValueError, match="has no C form, which has room for one layer"):
        c_form_of(tensors, card)
    save_weights("sized.safetensors", Weights(tensors, card))
    done = export("sized.safetensors")
    assert done.exit_code == 2
    assert "train a smaller one" in done.stderr
    assert not (folder / "sized.mcp").exists()


@pytest.mark.parametrize(
    "name", ["cosine_base", "momentum_modulation", "momentum_root_theta_scale"]
)
def test_events_that_do_not_fit_are_refused(name):
    """One number too few, one tensor too few, a card without sizes."""
    tensors, card = events_of_size((12,), (16, 12), 2)
    shorter = {**tensors, name: tensors[name][..., :-1]}
    with pytest.raises(ValueError, match="do not fit together"):
        c_form_of(shorter, card)
    del shorter[name]
    with pytest.raises(ValueError, match="incomplete"):
        c_form_of(shorter, card)
    with pytest.raises(ValueError, match="incomplete"):
        c_form_of(tensors, {**card, "hidden": None})
