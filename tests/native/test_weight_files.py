"""Files of weights that libmcplugin must not read, and that it notices every damage."""

import os
import struct
import zlib

import numpy as np
import pytest

from mcplugin import random_streams
from mcplugin.learning.c_form import c_form
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import load_weights


@pytest.fixture(scope="module")
def shipped():
    return thermal_map(load_weights())


@pytest.fixture(scope="module")
def weights(shipped):
    return _encoded(shipped)


@pytest.fixture
def out(library):
    """Where a sampler goes, with something else in it."""
    made = library.ffi.new("mcp_sampler **")
    made[0] = library.ffi.cast("mcp_sampler *", 0x1000)
    return made


def _encoded(shipped, **changed):
    given = {name: np.array(getattr(shipped, name)) for name in ("base", "modulation")}
    given |= {"theta_scale": shipped.theta_scale, "theta_range": shipped.theta_range, **changed}
    return c_form(given["base"], given["modulation"], given["theta_scale"], given["theta_range"])


def _drawn(library, sampler, theta):
    u, theta = np.full(300, np.nan), np.atleast_1d(theta)
    library.sample_streams(sampler, theta, random_streams(1, u.size), u)
    return u


def _refuse_bytes(library, out, content, spec=b"gan"):
    functions = library.functions
    out[0] = library.ffi.cast("mcp_sampler *", 0x1000)
    status = functions.mcp_sampler_create_from_bytes(spec, content, len(content), 6.5, out)
    assert status == functions.MCP_ERROR_WEIGHTS
    assert out[0] == library.ffi.NULL
    text = library.error_text()
    assert text.startswith("the generator in memory")
    return text


def _refuse_file(library, out, path, status="MCP_ERROR_WEIGHTS"):
    functions = library.functions
    for kind in ("gan", "gan-exact"):
        out[0] = library.ffi.cast("mcp_sampler *", 0x1000)
        found = functions.mcp_sampler_create(f"{kind}:{path}".encode(), out)
        assert found == getattr(functions, status)
        assert out[0] == library.ffi.NULL
        assert str(path) in library.error_text()
    return library.error_text()


def _with_crc(content):
    return content[:-4] + struct.pack("<I", zlib.crc32(content[:-4]))


def _overwritten(content, at, form, value):
    """The content with one number replaced, and a checksum that agrees."""
    changed = bytearray(content)
    struct.pack_into(form, changed, at, value)
    return _with_crc(bytes(changed))


@pytest.mark.skipif(
    os.geteuid() == 0,
    reason="NOT COVERED: an unreadable file, since root reads all",
)
def test_unreadable_file(library, out, tmp_path, weights):
    path = tmp_path / "secret"
    path.write_bytes(weights)
    path.chmod(0)
    _refuse_file(library, out, path, "MCP_ERROR_FILE")


def test_path_longer_than_any(library, out):
    """The text has room for its beginning."""
    functions = library.functions
    spec = b"gan:/" + b"very-long/" * 10_000
    assert functions.mcp_sampler_create(spec, out) == functions.MCP_ERROR_FILE
    assert out[0] == library.ffi.NULL
    assert "cannot open the weights /very-long/very-long/" in library.error_text()
    assert len(library.error_text()) < 512


def test_file_is_accepted(library, tmp_path, weights, samplers):
    """The file that all damaged ones are made from gives the sampler that is built in."""
    path = tmp_path / "weights Θ.mcp"
    path.write_bytes(weights)
    file = library.create(f"gan:{path}")
    assert np.array_equal(_drawn(library, file, 0.2), _drawn(library, samplers["gan"], 0.2))


def test_truncated_and_extended_files(library, out, tmp_path, weights):
    """Cut at every length, the empty file among them, and extended."""
    path = tmp_path / "weights.mcp"
    for length in range(len(weights)):
        path.write_bytes(weights[:length])
        _refuse_file(library, out, path)
    for more in (b"\0", b"\n", weights, bytes(100_000)):
        path.write_bytes(weights + more)
        assert "cut or extended" in _refuse_file(library, out, path)


def test_every_single_byte(library, out, weights):
    """Whichever byte is damaged, and however slightly, is noticed."""
    for at in range(len(weights)):
        for mask in (0x01, 0x80, 0xFF):
            damaged = bytearray(weights)
            damaged[at] ^= mask
            _refuse_bytes(library, out, bytes(damaged))
    damaged = bytearray(weights)
    damaged[100] ^= 1
    assert "CRC-32" in _refuse_bytes(library, out, bytes(damaged))


@pytest.mark.parametrize("version", [0, 2, 255, 2**32 - 1])
def test_other_versions(version, library, out, weights):
    text = _refuse_bytes(library, out, _overwritten(weights, 8, "<I", version))
    assert f"version {version}, this library reads 1" in text


@pytest.mark.parametrize(
    ("at", "form", "value", "fragment"),
    [
        (12, "<I", 0, "0 units"),
        (12, "<I", 65, "65 units"),
        (12, "<I", 2**32 - 1, "units"),
        (12, "<I", 9, "cut or extended"),
        (16, "<I", 0, "0 conditioning"),
        (16, "<I", 17, "17 conditioning"),
        (16, "<I", 2**32 - 1, "conditioning"),
        (16, "<I", 2, "cut or extended"),
        (20, "<I", 1, ""),
        (24, "<Q", 0, "cut or extended"),
        (24, "<Q", 877, "cut or extended"),
        (24, "<Q", 2**64 - 1, "cut or extended"),
    ],
)
def test_wrong_sizes(at, form, value, fragment, library, out, weights):
    """The checksum is right, the header is not."""
    assert fragment in _refuse_bytes(library, out, _overwritten(weights, at, form, value))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 1.1e6])
def test_impossible_weights(value, library, out, weights, shipped):
    """In any place of base and modulation, with a checksum that agrees."""
    first, count = 32 + 16, shipped.base.size * (1 + shipped.theta_scale.size)
    for place in range(count):
        damaged = _overwritten(weights, first + 8 * place, "<d", value)
        assert "no trained generator" in _refuse_bytes(library, out, damaged)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e300, 5e-324])
def test_impossible_theta_scales(value, library, out, weights, shipped):
    first = 32 + 8 * (2 + shipped.base.size * (1 + shipped.theta_scale.size))
    for place in range(shipped.theta_scale.size):
        damaged = _overwritten(weights, first + 8 * place, "<d", value)
        assert "no trained generator" in _refuse_bytes(library, out, damaged)


@pytest.mark.parametrize(
    "theta_range",
    [
        *((np.nan, 1.0), (0.1, np.nan), (1.0, 0.1), (0.0, 1.0), (-1.0, 1.0), (1e-7, 1.0)),
        *((1.0, 1e7), (np.inf, np.inf), (-np.inf, np.inf), (5e-324, 1.0)),
    ],
)
def test_impossible_theta_ranges(theta_range, library, out, shipped):
    for spec in (b"gan", b"gan-exact"):
        content = _encoded(shipped, theta_range=theta_range)
        text = _refuse_bytes(library, out, content, spec)
        assert f"{theta_range[0]:g} to {theta_range[1]:g}, not within 1e-6 to 1e6" in text


def test_map_that_falls(library, out):
    """u from 40 r before r = 3 to r after it: a generator, but not one of a known density."""
    falls = c_form([10.0, -30.0, -20.0, 20.0], [[0.0] * 4], [1.0], (0.5, 2.0))
    assert "falls with the latent radius" in _refuse_bytes(library, out, falls, b"gan-exact")
    assert library.theta_range(library.create("gan", falls)) == (0.5, 2.0)


def test_map_too_rough(library, out):
    rough = c_form([100.0, -300.0, 0.01, 1.0], [[0.0] * 4], [1.0], (0.5, 2.0))
    assert "too rough" in _refuse_bytes(library, out, rough, b"gan-exact")
    assert library.theta_range(library.create("gan", rough)) == (0.5, 2.0)


@pytest.mark.parametrize("spec", ["gan", "gan-exact"])
@pytest.mark.parametrize("size", [(1, 1), (64, 16), (1, 16), (64, 1)])
def test_smallest_and_largest_generators(size, spec, library):
    """Electrons come out of every size of generator that has a C form."""
    units, conditioning = size
    rng = np.random.default_rng(7)
    content = c_form(
        rng.normal(scale=0.3 / units, size=3 * units + 1),
        rng.normal(scale=0.1 / units / conditioning, size=(conditioning, 3 * units + 1)),
        np.geomspace(0.01, 10, conditioning),
        (0.1, 0.5),
    )
    sampler = library.create(spec, content)
    for theta in (0.2, np.linspace(0.1, 0.5, 300)):
        u = _drawn(library, sampler, theta)
        assert np.all(np.isfinite(u) & (u > 0))
