"""Files of weights that libmcplugin must not read, and that it notices every damage."""

import os
import struct
import zlib

import numpy as np
import pytest

from mcplugin import random_streams
from mcplugin.learning.c_form import c_form, c_form_of
from mcplugin.learning.event_generator import EventGenerator, load_event_weights
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


# ---- Compton events ----

EVENT_HEADER, EVENT_NUMBERS = 40, 3  # bytes; numbers before the first network


@pytest.fixture(scope="module")
def events():
    """The shipped generator of events."""
    return load_event_weights()


@pytest.fixture(scope="module")
def event_bytes(events):
    return c_form_of(events.tensors, events.card)


def _refuse_events(library, out, content):
    return _refuse_bytes(library, out, content, b"gan-event")


def _network_places(events, name):
    """Where the numbers of a network are: base, then modulation, then root_theta_scale."""
    start = EVENT_NUMBERS
    for network in ("cosine", "momentum"):
        parts = ("base", "modulation", "root_theta_scale")
        sizes = [events.tensors[f"{network}_{part}"].size for part in parts]
        if network == name:
            return [range(start, start + sizes[0] + sizes[1]),
                    range(start + sizes[0] + sizes[1], start + sum(sizes))]  # fmt: skip
        start += sum(sizes)
    raise AssertionError(name)


def test_event_file_is_accepted(library, tmp_path, event_bytes, samplers):
    """It gives the sampler that is built in."""
    path = tmp_path / "weights Θ.mcp"
    path.write_bytes(event_bytes)
    drawn = []
    for sampler in (library.create(f"gan-event:{path}"), samplers["gan-event"]):
        x_out, cosine = np.full((2, 300), np.nan)
        x, theta, streams = np.full(300, 0.1), np.array([0.2]), random_streams(1, 300)
        library.scatter_streams(sampler, x, theta, streams, x_out, cosine)
        drawn.append((x_out, cosine))
    assert np.array_equal(*drawn)


def test_weights_of_the_other_kind(library, out, weights, event_bytes):
    """Electrons are not made of the weights of events, nor the reverse."""
    assert "holds no weights of Compton events" in _refuse_events(library, out, weights)
    for spec in (b"gan", b"gan-exact"):
        text = _refuse_bytes(library, out, event_bytes, spec)
        assert "holds no weights of electrons" in text


def test_truncated_and_extended_events(library, out, event_bytes):
    for length in (*range(100), *range(100, len(event_bytes), 61), len(event_bytes) - 1):
        _refuse_events(library, out, event_bytes[:length])
    for more in (b"\0", event_bytes, bytes(100_000)):
        assert "cut or extended" in _refuse_events(library, out, event_bytes + more)


def test_every_single_byte_of_events(library, out, event_bytes):
    for at in range(len(event_bytes)):
        damaged = bytearray(event_bytes)
        damaged[at] ^= (0x01, 0x80, 0xFF)[at % 3]
        _refuse_events(library, out, bytes(damaged))


@pytest.mark.parametrize(
    ("at", "form", "value", "fragment"),
    [
        (8, "<I", 2, "version 2, this library reads 1"),
        (12, "<I", 0, "layers of 0, "),
        (12, "<I", 33, "layers of 33, "),
        (16, "<I", 0, ", 0 and "),
        (16, "<I", 2**32 - 1, "up to 32 and 8 are possible"),
        (20, "<I", 33, "up to 32 and 8 are possible"),
        (20, "<I", 0, "cut or extended"),
        (24, "<I", 0, "conditioning functions"),
        (28, "<I", 9, "conditioning functions"),
        (28, "<I", 1, "cut or extended"),
        (32, "<Q", 0, "cut or extended"),
        (32, "<Q", 2**64 - 1, "cut or extended"),
    ],
)
def test_wrong_sizes_of_events(at, form, value, fragment, library, out, event_bytes):
    assert fragment in _refuse_events(library, out, _overwritten(event_bytes, at, form, value))


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300, 1.1e6])
@pytest.mark.parametrize("network", ["cosine", "momentum"])
def test_impossible_weights_of_events(network, value, library, out, events, event_bytes):
    numbers, scales = _network_places(events, network)
    for place in (*numbers, *scales):
        if place in scales and value == 1.1e6:
            continue
        damaged = _overwritten(event_bytes, EVENT_HEADER + 8 * place, "<d", value)
        assert "no trained generator" in _refuse_events(library, out, damaged)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-300, 5e-324])
def test_impossible_scales_of_events(value, library, out, events, event_bytes):
    for network in ("cosine", "momentum"):
        for place in _network_places(events, network)[1]:
            damaged = _overwritten(event_bytes, EVENT_HEADER + 8 * place, "<d", value)
            assert "no trained generator" in _refuse_events(library, out, damaged)


@pytest.mark.parametrize(
    ("network", "part", "value"),
    [
        ("cosine", "amplitudes", 1.1e4),
        ("cosine", "bias", -1.1e4),
        ("momentum", "amplitudes", 1.1e3),
        ("momentum", "skip", 100.0),
        *((network, "log_scales", sign * 61.0) for network in ("cosine", "momentum")
          for sign in (-1, 1)),
    ],
)  # fmt: skip
def test_unbounded_networks_of_events(network, part, value, library, out, events):
    """What would overflow on the way to an event, in numbers that are finite by themselves."""
    shape = getattr(EventGenerator(events), network).shape
    tensors = {name: tensor.copy() for name, tensor in events.tensors.items()}
    shape.split(tensors[f"{network}_base"])[part].flat[0] = value
    content = c_form_of(tensors, events.card)
    assert "no trained generator" in _refuse_events(library, out, content)


@pytest.mark.parametrize(
    ("theta_range", "x_max", "fragment"),
    [
        ((0.9e-4, 1.0), 10.0, "not within 1e-4 to 100"),
        ((1e-3, 101.0), 10.0, "not within 1e-4 to 100"),
        ((1.0, 0.1), 10.0, "not within 1e-4 to 100"),
        ((np.nan, 1.0), 10.0, "not within 1e-4 to 100"),
        *(((0.1, 1.0), x, "not within 1e-12 to 100") for x in (np.nan, 0.0, -1.0, 101.0, np.inf)),
    ],
)
def test_impossible_ranges_of_events(theta_range, x_max, fragment, library, out, events):
    card = {**events.card, "theta_range": theta_range, "x_range": (0.0, x_max)}
    assert fragment in _refuse_events(library, out, c_form_of(events.tensors, card))
