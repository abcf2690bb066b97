"""Calls that must not work: what libmcplugin says to them, and that they change nothing.

All arguments of a call lie in one piece of memory, so that pointers may be wrong in every way and
still point into it, and so that whatever a failed call touches is noticed.
"""

import os
import struct
import threading
import zlib

import numpy as np
import pytest
from scipy import stats

from mcplugin import random_streams
from mcplugin.learning.c_form import c_form
from mcplugin.learning.radial_map import thermal_map
from mcplugin.learning.weights import load_weights
from mcplugin.native import binding

N = 300  # more than one block
SIZE_MAX = 2**64 - 1
LOWEST, HIGHEST = 1e-4, 100.0

# Names of the pointers and numbers that each call takes, in its order.
DRAWS = {
    "mcp_sample_four_velocity": ("sampler", "rng", "n", "theta", "n_theta", "u"),
    "mcp_sample_four_velocity_vector": ("sampler", "rng", "n", "theta", "n_theta", "u3"),
    "mcp_sample_streams": ("sampler", "streams", "n", "theta", "n_theta", "u"),
}
TRANSFORMS = {
    "mcp_transform": ("sampler", "n", "theta", "n_theta", "z3", "u3"),
    "mcp_transform_radius": ("sampler", "n", "theta", "n_theta", "radius", "u"),
}
WITH_THETA = {**DRAWS, **TRANSFORMS}
QUESTIONS = {
    "mcp_sampler_theta_range": ("sampler", "lo", "hi"),
    "mcp_sampler_acceptance": ("sampler", "theta_value", "acceptance"),
}
SEEDING = {"mcp_rng_seed": ("rng", "seed", "stream")}
CALLS = {**WITH_THETA, **QUESTIONS, **SEEDING}

# Words of 8 bytes. Between the arrays is room for pointers that are off by a few bytes.
ARRAYS = {
    "theta": N,
    "rng": 16,
    "streams": 2 * N,
    "z3": 3 * N,
    "radius": N,
    "u": N,
    "u3": 3 * N,
    "lo": 1,
    "hi": 1,
    "acceptance": 1,
    "nothing": 16384,  # zeros, larger than a sampler
}
GAP = 8
NUMBERS = {"n": N, "n_theta": N, "theta_value": 0.2, "seed": 1, "stream": 0}


class Arguments:
    """Good arguments for every call, until some are spoiled.

    Parameters
    ----------
    library : Library
    samplers : dict
        Handles by spec.
    spoiled : dict
        What is different: ``{"u": "NULL"}``, ``{"u": "theta+8"}`` (a pointer), ``{"n": 0}`` (a
        number), ``{"theta[3]": -1.0}`` (an element; integers are taken as bits).
    """

    def __init__(self, library, samplers, spoiled=None):
        self.library = library
        self.start, total = {}, GAP
        for name, size in ARRAYS.items():
            self.start[name] = total
            total += size + GAP
        self.memory = np.full(total, 0x4242424242424242, dtype=np.uint64)
        self.of("theta")[:] = np.geomspace(LOWEST, HIGHEST, N).clip(LOWEST, HIGHEST)
        self.bits("rng")[:] = random_streams(2, 8).T.ravel()
        self.bits("streams")[:] = random_streams(3, N).ravel()
        self.of("z3")[:] = np.random.default_rng(1).normal(size=3 * N)
        self.of("radius")[:] = np.random.default_rng(2).chisquare(3, N) ** 0.5
        self.bits("nothing")[:] = 0
        base = self.memory.ctypes.data
        self.values = dict(NUMBERS)
        self.values.update((name, base + 8 * start) for name, start in self.start.items())
        self.values["NULL"] = 0
        for spec, handle in samplers.items():
            self.values[spec] = int(library.ffi.cast("uintptr_t", handle))
        self.values["sampler"] = self.values["gan"]
        for name, value in (spoiled or {}).items():
            self._spoil(name, value)
        self.before = self.memory.copy()

    def bits(self, name):
        """An array as words."""
        return self.memory[self.start[name] : self.start[name] + ARRAYS[name]]

    def of(self, name):
        """An array as doubles."""
        return self.bits(name).view(np.float64)

    def _spoil(self, name, value):
        if "[" in name:
            array, index = name.rstrip("]").split("[")
            view = self.bits(array) if isinstance(value, int) else self.of(array)
            view[int(index)] = value
        elif isinstance(value, str):
            target, _, offset = value.partition("+")
            self.values[name] = self.values[target] + int(offset or 0)
        else:
            self.values[name] = value

    def call(self, function):
        """The status of a call."""
        names = CALLS[function]
        made = getattr(self.library.functions, function)
        types = self.library.ffi.typeof(made).args
        cast = self.library.ffi.cast
        return made(
            *(
                cast(kind, self.values[name]) if kind.kind == "pointer" else self.values[name]
                for kind, name in zip(types, names, strict=True)
            )
        )

    def changed(self):
        """Names of the arrays that are no longer what they were; "gap" for what is between."""
        different = np.flatnonzero(self.memory != self.before)
        names = {
            name
            for name, start in self.start.items()
            if np.any((different >= start) & (different < start + ARRAYS[name]))
        }
        between = np.ones(self.memory.size, dtype=bool)
        for name, start in self.start.items():
            between[start : start + ARRAYS[name]] = False
        return names | ({"gap"} if np.any(between[different]) else set())


@pytest.fixture(scope="module")
def library():
    return binding.load()


@pytest.fixture(scope="module")
def samplers(library):
    return {spec: library.create(spec) for spec in ("gan", "gan-exact", "rejection")}


@pytest.fixture(scope="module")
def shipped():
    return thermal_map(load_weights())


@pytest.fixture(scope="module")
def weights(shipped):
    return _encoded(shipped)


def _encoded(shipped, **changed):
    given = {name: np.array(getattr(shipped, name)) for name in ("base", "modulation")}
    given |= {"theta_scale": shipped.theta_scale, "theta_range": shipped.theta_range, **changed}
    return c_form(given["base"], given["modulation"], given["theta_scale"], given["theta_range"])


def _text(library):
    return library.ffi.string(library.functions.mcp_error_text()).decode("utf-8", "replace")


def _outputs(function):
    return {name for name in CALLS[function] if name in ("rng", "streams", "u", "u3")}


# ---- The table ----


def _bad_calls():
    """(call, what is spoiled, expected status, fragment of the text)."""
    argument, handle, theta = "MCP_ERROR_ARGUMENT", "MCP_ERROR_HANDLE", "MCP_ERROR_THETA"
    for call, names in {**WITH_THETA, **QUESTIONS}.items():
        yield call, {"sampler": "NULL"}, handle, "no sampler"
        yield call, {"sampler": "nothing"}, handle, "no sampler"
        yield call, {"sampler": "gan+1"}, handle, "no sampler"
        yield call, {"sampler": "gan+8"}, handle, "no sampler"
        if "acceptance" not in names:
            continue
        yield call, {"acceptance": "NULL"}, argument, "acceptance is NULL"
        for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 9.9e-5, 100.1):
            yield call, {"theta_value": value}, theta, f"{value:g} is outside 0.0001 to 100"
    yield "mcp_sampler_theta_range", {"lo": "NULL"}, argument, "NULL"
    yield "mcp_sampler_theta_range", {"hi": "NULL"}, argument, "NULL"
    yield "mcp_rng_seed", {"rng": "NULL"}, argument, "rng is NULL"
    yield "mcp_rng_seed", {"rng": "rng+4"}, argument, "rng is misaligned"

    for call, names in WITH_THETA.items():
        arrays = [name for name in names if name in ARRAYS]
        for name in arrays:
            yield call, {name: "NULL"}, argument, f"{name} is NULL"
            for shift in (1, 4, 7):
                yield call, {name: f"{name}+{shift}"}, argument, f"{name} is not aligned"
        for n in (SIZE_MAX, SIZE_MAX // 8, SIZE_MAX // 64 + 1):
            for n_theta in (1, n):
                wrong = {"n": n, "n_theta": n_theta}
                yield call, wrong, argument, f"n = {n} is more than fits into memory"
        for n_theta in (0, 2, N - 1, N + 1, SIZE_MAX):
            yield call, {"n_theta": n_theta}, argument, f"n_theta = {n_theta} is neither 1 nor n"
        yield call, {"n": 0, "n_theta": 2}, argument, "n_theta = 2 is neither 1 nor n = 0"
        yield call, {"n": 1, "n_theta": 0}, argument, "n_theta = 0 is neither 1 nor n = 1"
        for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 5e-324, 9.99e-5, 100.1, 1e300):
            for place in (0, N // 2, N - 1):
                yield (
                    call,
                    {f"theta[{place}]": value},
                    theta,
                    f"theta[{place}] = {value:g} is outside 0.0001 to 100",
                )
            yield call, {"theta[0]": value, "n_theta": 1}, theta, f"theta[0] = {value:g}"
        just_below, just_above = np.nextafter(LOWEST, 0), np.nextafter(HIGHEST, 1e3)
        yield call, {"theta[7]": float(just_below)}, theta, "theta[7]"
        yield call, {"theta[7]": float(just_above)}, theta, "theta[7]"

        yield from _overlaps(call, arrays)


def _overlaps(call, arrays):
    """Arrays on top of each other, of which at least one is written."""
    written = _outputs(call)
    for i, one in enumerate(arrays):
        for other in arrays[:i]:
            if not {one, other} & written:
                continue
            size = 8 * ARRAYS[other]
            for shift in (0, 8, size - 8):
                # One temperature, of the same bits in both places, so that the overlap is all
                # that is wrong; the generators stay seeded.
                spoiled = {one: f"{other}+{shift}", "n_theta": 1, "theta[0]": 1.0}
                if other == "theta" and shift > 0:
                    continue
                if one == "theta":
                    spoiled[f"{other}[{shift // 8}]"] = 1.0
                yield call, spoiled, "MCP_ERROR_ARGUMENT", "overlap"
    if "theta" in arrays:
        out = arrays[-1]
        for shift in (8, 8 * N - 8):
            yield call, {out: f"theta+{shift}"}, "MCP_ERROR_ARGUMENT", f"theta and {out} overlap"


def _bad_random_states():
    for call in ("mcp_sample_four_velocity", "mcp_sample_four_velocity_vector"):
        unseeded = {f"rng[{word}]": 0 for word in range(16)}
        yield call, unseeded, "MCP_ERROR_RNG", "mcp_rng_seed"
        for lane in (0, 3, 7):
            one_lane = {f"rng[{lane}]": 0, f"rng[{8 + lane}]": 0}
            yield call, one_lane, "MCP_ERROR_RNG", "mcp_rng_seed"
    for row in (0, N // 2, N - 1):
        # A generator of zeros gives zeros for ever, which rejection would wait for.
        zeros = {f"streams[{2 * row}]": 0, f"streams[{2 * row + 1}]": 0}
        yield "mcp_sample_streams", zeros, "MCP_ERROR_RNG", "seeded"


def _bad_latents():
    for value in (np.nan, np.inf, -np.inf, 1.1e6, -1.1e6, 1e200, -1e300):
        for place in (0, 3 * (N // 2) + 1, 3 * N - 1):
            yield (
                "mcp_transform",
                {f"z3[{place}]": value},
                "MCP_ERROR_ARGUMENT",
                f"latent {place // 3} has the radius",
            )
    for value in (np.nan, np.inf, -1.0, -1e-300, 1.1e6, 1e200):
        for place in (0, N // 2, N - 1):
            yield (
                "mcp_transform_radius",
                {f"radius[{place}]": value},
                "MCP_ERROR_ARGUMENT",
                f"latent {place} has the radius",
            )
    for call in TRANSFORMS:
        for sampler in ("rejection", "gan-exact"):
            for n in (0, N):
                wrong = {"sampler": sampler, "n": n, "n_theta": n}
                yield call, wrong, "MCP_ERROR_UNSUPPORTED", "transform with gan or torch"


def _table():
    for call, spoiled, status, fragment in (
        *_bad_calls(),
        *_bad_random_states(),
        *_bad_latents(),
    ):
        said = ",".join(f"{name}={value}" for name, value in list(spoiled.items())[:3])
        yield pytest.param(call, spoiled, status, fragment, id=f"{call}-{said}")


@pytest.mark.parametrize(("call", "spoiled", "status", "fragment"), list(_table()))
def test_refused(call, spoiled, status, fragment, library, samplers):
    """The right status, a sentence that names what is wrong, and nothing changed."""
    arguments = Arguments(library, samplers, spoiled)
    found = arguments.call(call)
    assert arguments.changed() == set()
    assert found == getattr(library.functions, status)
    assert fragment in _text(library)


@pytest.mark.parametrize("kind", ["gan-exact", "rejection"])
@pytest.mark.parametrize("call", list(DRAWS))
def test_refused_by_all_kinds(call, kind, library, samplers):
    """One temperature of many out of range: no sampler starts before it has seen them all."""
    arguments = Arguments(library, samplers, {"sampler": kind, f"theta[{N - 1}]": np.nan})
    assert arguments.call(call) == library.functions.MCP_ERROR_THETA
    assert arguments.changed() == set()


# ---- What is fine ----


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (call, kind)
        for call in CALLS
        for kind in ("gan", "gan-exact", "rejection")
        if call not in TRANSFORMS or kind == "gan"
    ],
)
def test_good_call_changes_its_outputs_alone(call, kind, library, samplers):
    arguments = Arguments(library, samplers, {"sampler": kind})
    assert arguments.call(call) == library.functions.MCP_OK
    expected = {"lo", "hi"} if call == "mcp_sampler_theta_range" else _outputs(call)
    expected |= {"acceptance"} if call == "mcp_sampler_acceptance" else set()
    assert arguments.changed() == expected
    for name in expected & {"u", "u3"}:
        assert np.all(np.isfinite(arguments.of(name)))


@pytest.mark.parametrize("n", [1, 15, 16, 17, 255, 256, 257])
@pytest.mark.parametrize("call", list(WITH_THETA))
def test_nothing_beyond_n(call, n, library, samplers):
    """What lies behind the first n elements stays as it was."""
    arguments = Arguments(library, samplers, {"n": n, "n_theta": n})
    assert arguments.call(call) == library.functions.MCP_OK
    for name in _outputs(call) - {"rng"}:
        used = n * ARRAYS[name] // N
        start = arguments.start[name] + used
        left = slice(start, start + ARRAYS[name] - used)
        assert np.array_equal(arguments.memory[left], arguments.before[left])


@pytest.mark.parametrize("n_theta", [0, 1])
@pytest.mark.parametrize("call", list(WITH_THETA))
def test_no_draws(call, n_theta, library, samplers):
    """n = 0 is fine, even without arrays, and the random state does not move."""
    nothing = {name: "NULL" for name in WITH_THETA[call] if name in ARRAYS and name != "rng"}
    arguments = Arguments(library, samplers, {"n": 0, "n_theta": n_theta, **nothing})
    assert arguments.call(call) == library.functions.MCP_OK
    assert arguments.changed() == set()


@pytest.mark.parametrize("kind", ["gan", "gan-exact", "rejection"])
@pytest.mark.parametrize("call", list(DRAWS))
def test_ends_of_the_range(call, kind, library, samplers):
    """The lowest and the highest temperature belong to the range."""
    for theta in (LOWEST, HIGHEST):
        for n_theta in (1, N):
            spoiled = {"sampler": kind, "n_theta": n_theta}
            spoiled |= {f"theta[{i}]": theta for i in range(N)}
            assert Arguments(library, samplers, spoiled).call(call) == library.functions.MCP_OK


def test_largest_and_smallest_latents(library, samplers):
    """Latents up to a radius of 10⁶ are mapped, zero to zero."""
    arguments = Arguments(library, samplers, {"z3[0]": 1e6, "z3[1]": 0.0, "z3[2]": 0.0})
    arguments.of("z3")[3:6] = 0.0
    arguments.of("radius")[:4] = 0.0, 1e6, 5e-324, 1e-160
    assert arguments.call("mcp_transform") == library.functions.MCP_OK
    assert arguments.call("mcp_transform_radius") == library.functions.MCP_OK
    assert np.all(np.isfinite(arguments.of("u3")))
    assert np.all(np.isfinite(arguments.of("u")))
    assert np.array_equal(arguments.of("u3")[3:6], np.zeros(3))
    assert arguments.of("u")[0] == 0.0


# ---- Samplers ----

SPECS = [
    *("", " ", "gann", "ga", "GAN", "Gan", " gan", "gan ", "gan\n", "gan:", "gan-exact:", "torch:"),
    *("gan-exac", "gan-exactly", "gan-exact ", "rejection:x", "rejection:", "rejections", "table"),
    *(":", ":gan", "gan;x", "%s%n%x", "x" * 100_000, "gan" * 1000, "\u0398" * 300),
]


@pytest.fixture
def out(library):
    """Where a sampler goes, with something else in it."""
    made = library.ffi.new("mcp_sampler **")
    made[0] = library.ffi.cast("mcp_sampler *", 0x1000)
    return made


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: ascii(spec[:12]))
def test_unknown_specs(spec, library, weights, out):
    functions, null = library.functions, library.ffi.NULL
    assert functions.mcp_sampler_create(spec.encode(), out) == functions.MCP_ERROR_SPEC
    assert out[0] == null
    assert "no sampler is called" in _text(library)
    assert "rejection" in _text(library)
    assert spec[:20] in _text(library)
    out[0] = library.ffi.cast("mcp_sampler *", 0x1000)
    status = functions.mcp_sampler_create_from_bytes(spec.encode(), weights, len(weights), 6.5, out)
    assert status == functions.MCP_ERROR_SPEC
    assert out[0] == null


def test_creation_without_arguments(library, weights, out):
    functions, null = library.functions, library.ffi.NULL
    argument = functions.MCP_ERROR_ARGUMENT
    assert functions.mcp_sampler_create(b"gan", null) == argument
    assert "out is NULL" in _text(library)
    assert functions.mcp_sampler_create(null, out) == argument
    assert "spec is NULL" in _text(library)
    assert out[0] == null
    create, size = functions.mcp_sampler_create_from_bytes, len(weights)
    assert create(b"gan", weights, size, 6.5, null) == argument
    assert create(null, weights, size, 6.5, out) == argument
    assert out[0] == null


@pytest.mark.parametrize("tail_radius", [np.nan, np.inf, -np.inf, 0.0, -6.5, 0.999, 20.001, 1e300])
def test_tail_radius(tail_radius, library, weights, out):
    functions = library.functions
    status = functions.mcp_sampler_create_from_bytes(
        b"gan-exact", weights, len(weights), tail_radius, out
    )
    assert status == functions.MCP_ERROR_ARGUMENT
    assert f"tail_radius = {tail_radius:g} is not within 1 to 20" in _text(library)
    assert out[0] == library.ffi.NULL


def test_no_bytes(library, out):
    functions, null = library.functions, library.ffi.NULL
    status = functions.mcp_sampler_create_from_bytes(b"gan", null, 876, 6.5, out)
    assert status == functions.MCP_ERROR_ARGUMENT
    assert "bytes is NULL" in _text(library)
    assert out[0] == null


def test_destroyed_sampler(library, samplers):
    """Using a sampler after its end is an error of the caller, which is caught where it can be.

    Of several, the one of the lowest address is destroyed: its memory then stays mapped, below
    that of the others.
    """
    functions, ffi = library.functions, library.ffi
    made = []
    for _ in range(8):
        handle = ffi.new("mcp_sampler **")
        assert functions.mcp_sampler_create(b"rejection", handle) == functions.MCP_OK
        made.append(handle[0])
    made.sort(key=lambda handle: int(ffi.cast("uintptr_t", handle)))
    functions.mcp_sampler_destroy(made[0])
    gone = {**samplers, "gone": made[0]}
    for call in (*WITH_THETA, *QUESTIONS):
        arguments = Arguments(library, gone, {"sampler": "gone"})
        assert arguments.call(call) == functions.MCP_ERROR_HANDLE
        assert "was destroyed" in _text(library)
        assert arguments.changed() == set()
    assert functions.mcp_sampler_instruction_set(made[0]) == ffi.NULL
    for handle in made[1:]:
        functions.mcp_sampler_destroy(handle)


def test_instruction_set_of_nothing(library):
    functions, ffi = library.functions, library.ffi
    zeros = ffi.new("uint64_t[]", 16384)
    for handle in (ffi.NULL, ffi.cast("mcp_sampler *", zeros)):
        assert functions.mcp_sampler_instruction_set(handle) == ffi.NULL
        assert "no sampler" in _text(library)


def test_destroying_nothing(library):
    """NULL and memory that is no sampler are left alone; the first is no failure."""
    functions, ffi = library.functions, library.ffi
    zeros = ffi.new("uint64_t[]", 16384)
    assert functions.mcp_sampler_create(b"a failure before", ffi.new("mcp_sampler **")) != 0
    functions.mcp_sampler_destroy(ffi.NULL)
    assert "a failure before" in _text(library)
    functions.mcp_sampler_destroy(ffi.cast("mcp_sampler *", zeros))
    assert not any(zeros)


# ---- Texts ----


def test_statuses(library):
    """Every status has a meaning of its own, and unknown ones say so."""
    functions, ffi = library.functions, library.ffi
    known = ffi.typeof("enum mcp_status").elements
    assert sorted(known) == list(range(11))
    said = {status: ffi.string(functions.mcp_strerror(status)).decode() for status in known}
    assert len(set(said.values())) == len(known)
    assert said[functions.MCP_OK] == "success"
    for status in (-1, 11, 12, 2**31 - 1, -(2**31)):
        assert ffi.string(functions.mcp_strerror(status)).decode() == "unknown status"


def test_versions(library):
    header = (binding.native.include_directory() / "mcplugin.h").read_text("utf-8")
    version = library.ffi.string(library.functions.mcp_version()).decode()
    assert f'#define MCP_VERSION "{version}"' in header
    assert f"#define MCP_ABI_VERSION {library.functions.mcp_abi_version()}\n" in header


def test_text_belongs_to_the_thread(library):
    """A thread reads its own failures, none before the first, whatever others do."""
    functions, ffi = library.functions, library.ffi
    steps = threading.Barrier(2)
    said = {}

    def fail(name):
        said[name] = [_text(library)]
        steps.wait()
        functions.mcp_sampler_create(f"sampler of {name}".encode(), ffi.new("mcp_sampler **"))
        steps.wait()
        said[name].append(_text(library))

    threads = [threading.Thread(target=fail, args=(name,)) for name in ("Ann", "Bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("Ann", "Bob"):
        before, after = said[name]
        assert before == ""
        assert f"sampler of {name}" in after


def test_text_outlives_success(library, samplers):
    """The text is that of the last failed call, also after calls that succeed."""
    functions = library.functions
    assert functions.mcp_sampler_create(b"nobody", library.ffi.new("mcp_sampler **")) != 0
    for call in CALLS:
        assert Arguments(library, samplers).call(call) == functions.MCP_OK
    assert "nobody" in _text(library)


# ---- Files of weights ----


def _refuse_bytes(library, out, content, spec=b"gan"):
    functions = library.functions
    out[0] = library.ffi.cast("mcp_sampler *", 0x1000)
    status = functions.mcp_sampler_create_from_bytes(spec, content, len(content), 6.5, out)
    assert status == functions.MCP_ERROR_WEIGHTS
    assert out[0] == library.ffi.NULL
    text = _text(library)
    assert text.startswith("the generator in memory")
    return text


def _refuse_file(library, out, path, status="MCP_ERROR_WEIGHTS"):
    functions = library.functions
    for kind in ("gan", "gan-exact"):
        out[0] = library.ffi.cast("mcp_sampler *", 0x1000)
        found = functions.mcp_sampler_create(f"{kind}:{path}".encode(), out)
        assert found == getattr(functions, status)
        assert out[0] == library.ffi.NULL
        assert str(path) in _text(library)
    return _text(library)


def _with_crc(content):
    return content[:-4] + struct.pack("<I", zlib.crc32(content[:-4]))


def _overwritten(content, at, form, value):
    """The content with one number replaced, and a checksum that agrees."""
    changed = bytearray(content)
    struct.pack_into(form, changed, at, value)
    return _with_crc(bytes(changed))


def test_missing_file(library, out, tmp_path):
    assert "cannot open" in _refuse_file(library, out, tmp_path / "none", "MCP_ERROR_FILE")
    assert "cannot open" in _refuse_file(library, out, tmp_path / "Θ€\n", "MCP_ERROR_FILE")


def test_directory(library, out, tmp_path):
    assert "cannot read" in _refuse_file(library, out, tmp_path, "MCP_ERROR_FILE")


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
    assert "cannot open the weights /very-long/very-long/" in _text(library)
    assert len(_text(library)) < 512


def test_file_is_accepted(library, tmp_path, weights, samplers):
    """The file that all damaged ones are made from gives the sampler that is built in."""
    path = tmp_path / "weights Θ.mcp"
    path.write_bytes(weights)
    made = {**samplers, "file": library.create(f"gan:{path}")}
    drawn = []
    for sampler in ("gan", "file"):
        arguments = Arguments(library, made, {"sampler": sampler})
        assert arguments.call("mcp_sample_four_velocity") == library.functions.MCP_OK
        drawn.append(arguments.of("u").copy())
    assert np.array_equal(*drawn)


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
    made = {"gan": library.create(spec, content)}
    for n_theta in (1, N):
        arguments = Arguments(library, made, {"n_theta": n_theta})
        arguments.of("theta")[:] = np.linspace(0.1, 0.5, N)
        assert arguments.call("mcp_sample_four_velocity") == library.functions.MCP_OK
        assert np.all(np.isfinite(arguments.of("u")) & (arguments.of("u") > 0))


# ---- The same again ----


def _drawn(library, sampler, rng, n=100_000, theta=0.2):
    u = np.empty(n)
    library.check(
        library.functions.mcp_sample_four_velocity(
            sampler,
            rng,
            n,
            library.ffi.new("double *", theta),
            1,
            library.ffi.from_buffer("double[]", u),
        )
    )
    return u


def _seeded(library, seed, stream):
    rng = library.ffi.new("mcp_rng *")
    library.check(library.functions.mcp_rng_seed(rng, seed, stream))
    return rng


@pytest.mark.parametrize("kind", ["gan", "gan-exact", "rejection"])
def test_seeds_and_streams(kind, library, samplers):
    """One seed and stream give the same bits; other ones give uncorrelated draws."""
    sampler = samplers[kind]
    draws = [
        _drawn(library, sampler, _seeded(library, *chosen))
        for chosen in ((1, 0), (1, 0), (1, 1), (2, 0), (1, 2**64 - 1), (0, 0))
    ]
    assert np.array_equal(draws[0], draws[1])
    # Also one step apart, in case a stream is another one's continuation.
    for i, other in enumerate(draws[2:], start=2):
        for before in draws[1:i]:
            for one, two in ((before, other), (before[8:], other[:-8]), (before[:-8], other[8:])):
                assert abs(stats.spearmanr(one, two).statistic) < 5 / np.sqrt(one.size)


@pytest.mark.parametrize("kind", ["gan", "gan-exact", "rejection"])
def test_copied_state_continues(kind, library, samplers):
    """A copy of the 128 bytes is a copy of the sequence."""
    rng = _seeded(library, 4, 2)
    _drawn(library, samplers[kind], rng, n=1001)
    copy = library.ffi.new("mcp_rng *", rng[0])
    assert library.ffi.sizeof("mcp_rng") == 128
    first = _drawn(library, samplers[kind], rng, n=777)
    assert np.array_equal(first, _drawn(library, samplers[kind], copy, n=777))
    assert not np.array_equal(first, _drawn(library, samplers[kind], rng, n=777))


@pytest.mark.parametrize("seed", [0, 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("stream", [0, 1, 12345, 2**59 - 1])
def test_lanes_are_streams_of_photons(seed, stream, library):
    """Lane k of stream s is the stream of photon 8 s + k, as the Python package makes it."""
    rng = _seeded(library, seed, stream)
    state = np.array(list(rng.state), dtype=np.uint64).reshape(2, 8)
    assert np.array_equal(state.T, random_streams(seed, 8, 8 * stream))


def test_no_two_streams_are_the_same(library):
    """All 64 bits of a stream number count, for example where the highest ones are a rank."""
    streams = [0, 1, 2**59, 2**60 - 1, 2**60, 2**60 + 1, 2**61, 2**63, 2**64 - 1]
    states = {tuple(_seeded(library, 1, stream).state) for stream in streams}
    assert len(states) == len(streams)
