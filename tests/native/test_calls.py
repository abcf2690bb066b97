"""Calls of libmcplugin that must not work, and that they change nothing; and calls that must.

All arguments of a call lie in one piece of memory, so that pointers may be wrong in every way and
still point into it, and so that whatever a failed call touches is noticed.
"""

import threading

import numpy as np
import pytest

from mcplugin import random_streams
from mcplugin.native import binding

N = 300  # more than one block
SIZE_MAX = 2**64 - 1

# Specs by what they are for.
ELECTRONS = ("gan", "gan-exact", "rejection")
EVENTS = ("gan-event", "exact-event")

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
SCATTERINGS = {
    "mcp_scatter": ("sampler", "rng", "n", "x", "theta", "n_theta", "x_out", "cosine"),
    "mcp_scatter_streams": ("sampler", "streams", "n", "x", "theta", "n_theta", "x_out", "cosine"),
}
EVENT_TRANSFORMS = {
    "mcp_transform_event": (
        *("sampler", "n", "theta", "n_theta", "x", "v", "z", "x_out", "cosine"),
    ),
}
WITH_THETA = {**DRAWS, **TRANSFORMS, **SCATTERINGS, **EVENT_TRANSFORMS}
QUESTIONS = {
    "mcp_sampler_theta_range": ("sampler", "lo", "hi"),
    "mcp_sampler_photon_range": ("sampler", "lo", "hi"),
    "mcp_sampler_acceptance": ("sampler", "theta_value", "acceptance"),
}
SEEDING = {"mcp_rng_seed": ("rng", "seed", "stream")}
CALLS = {**WITH_THETA, **QUESTIONS, **SEEDING}

# The samplers that a call is for, the usual one first.
KINDS = {
    **dict.fromkeys(DRAWS, ELECTRONS),
    **dict.fromkeys(TRANSFORMS, ("gan",)),
    **dict.fromkeys(SCATTERINGS, EVENTS),
    **dict.fromkeys(EVENT_TRANSFORMS, ("gan-event",)),
    "mcp_sampler_theta_range": (*ELECTRONS, *EVENTS),
    "mcp_sampler_photon_range": EVENTS,
    "mcp_sampler_acceptance": (*ELECTRONS, "gan-event"),
    "mcp_rng_seed": ("gan",),
}
THETA_RANGES = dict.fromkeys((*ELECTRONS, *EVENTS), (1e-4, 100.0)) | {"gan-event": (1e-3, 10.0)}

# Words of 8 bytes. Between the arrays is room for pointers that are off by a few bytes.
ARRAYS = {
    "theta": N,
    "rng": 16,
    "streams": 2 * N,
    "z3": 3 * N,
    "radius": N,
    "x": N,
    "v": N,
    "z": N,
    "u": N,
    "u3": 3 * N,
    "x_out": N,
    "cosine": N,
    "lo": 1,
    "hi": 1,
    "acceptance": 1,
    "nothing": 16384,  # zeros, larger than a sampler
}
GAP = 8
NUMBERS = {"n": N, "n_theta": N, "theta_value": 0.2, "seed": 1, "stream": 0}


class Arguments:
    """Good arguments for every call, its usual sampler among them, until some are spoiled.

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
        self.of("theta")[:] = np.geomspace(2e-3, 5.0, N)
        self.bits("rng")[:] = random_streams(2, 8).T.ravel()
        self.bits("streams")[:] = random_streams(3, N).ravel()
        self.of("z3")[:] = np.random.default_rng(1).normal(size=3 * N)
        self.of("radius")[:] = np.random.default_rng(2).chisquare(3, N) ** 0.5
        self.of("x")[:] = np.geomspace(1e-5, 5.0, N)
        self.of("v")[:] = np.random.default_rng(3).random(N)
        self.of("z")[:] = np.random.default_rng(4).normal(size=N)
        self.bits("nothing")[:] = 0
        base = self.memory.ctypes.data
        self.values = dict(NUMBERS)
        self.values.update((name, base + 8 * start) for name, start in self.start.items())
        self.values["NULL"] = 0
        for spec, handle in samplers.items():
            self.values[spec] = int(library.ffi.cast("uintptr_t", handle))
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
        usual = self.values[KINDS[function][0]]
        values = {"sampler": usual, **self.values}
        made = getattr(self.library.functions, function)
        types = self.library.ffi.typeof(made).args
        cast = self.library.ffi.cast
        return made(
            *(
                cast(kind, values[name]) if kind.kind == "pointer" else values[name]
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


def _outputs(function):
    written = ("rng", "streams", "u", "u3", "x_out", "cosine")
    return {name for name in CALLS[function] if name in written}


# ---- The table ----


def _bad_calls():
    """(call, what is spoiled, expected status, fragment of the text)."""
    argument, handle, theta = "MCP_ERROR_ARGUMENT", "MCP_ERROR_HANDLE", "MCP_ERROR_THETA"
    for call, names in {**WITH_THETA, **QUESTIONS}.items():
        yield call, {"sampler": "NULL"}, handle, "no sampler"
        yield call, {"sampler": "nothing"}, handle, "no sampler"
        yield call, {"sampler": "gan+1"}, handle, "no sampler"
        yield call, {"sampler": "gan-event+8"}, handle, "no sampler"
        if "acceptance" not in names:
            continue
        yield call, {"acceptance": "NULL"}, argument, "acceptance is NULL"
        for value in (np.nan, np.inf, -np.inf, 0.0, -1.0, 9.9e-5, 100.1):
            yield call, {"theta_value": value}, theta, f"{value:g} is outside 0.0001 to 100"
    for call in ("mcp_sampler_theta_range", "mcp_sampler_photon_range"):
        yield call, {"lo": "NULL"}, argument, "NULL"
        yield call, {"hi": "NULL"}, argument, "NULL"
    yield "mcp_rng_seed", {"rng": "NULL"}, argument, "rng is NULL"
    yield "mcp_rng_seed", {"rng": "rng+4"}, argument, "rng is misaligned"

    for call, names in WITH_THETA.items():
        arrays = [name for name in names if name in ARRAYS]
        lowest, highest = THETA_RANGES[KINDS[call][0]]
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
                    f"theta[{place}] = {value:g} is outside {lowest:g} to {highest:g}",
                )
            yield call, {"theta[0]": value, "n_theta": 1}, theta, f"theta[0] = {value:g}"
        just_below, just_above = np.nextafter(lowest, 0), np.nextafter(highest, 1e3)
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
    for call in ("mcp_sample_four_velocity", "mcp_sample_four_velocity_vector", "mcp_scatter"):
        unseeded = {f"rng[{word}]": 0 for word in range(16)}
        yield call, unseeded, "MCP_ERROR_RNG", "mcp_rng_seed"
        for lane in (0, 3, 7):
            one_lane = {f"rng[{lane}]": 0, f"rng[{8 + lane}]": 0}
            yield call, one_lane, "MCP_ERROR_RNG", "mcp_rng_seed"
    for row in (0, N // 2, N - 1):
        # A generator of zeros gives zeros for ever, which rejection would wait for.
        zeros = {f"streams[{2 * row}]": 0, f"streams[{2 * row + 1}]": 0}
        for call in ("mcp_sample_streams", "mcp_scatter_streams"):
            yield call, zeros, "MCP_ERROR_RNG", "seeded"


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
    for value in (np.nan, np.inf, -1.0, -5e-324, 1.0 + 1e-15, 1e300):
        for place in (0, N - 1):
            fragment = f"v[{place}] = {value:g} is not within 0 to 1"
            yield "mcp_transform_event", {f"v[{place}]": value}, "MCP_ERROR_ARGUMENT", fragment
    for value in (np.nan, np.inf, -np.inf, 12.1, -12.1, 1e300):
        for place in (0, N - 1):
            fragment = f"z[{place}] = {value:g} is not within -12 to 12"
            yield "mcp_transform_event", {f"z[{place}]": value}, "MCP_ERROR_ARGUMENT", fragment


def _bad_photons():
    for call in (*SCATTERINGS, *EVENT_TRANSFORMS):
        highest = 1e4 if call in SCATTERINGS else 10.0
        just_above = float(np.nextafter(highest, 1e9))
        for value in (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 5e-324, 2e-308, just_above, 1e300):
            for place in (0, N // 2, N - 1):
                wrong = {f"x[{place}]": value}
                fragment = f"x[{place}] = {value:g} is not a photon energy within 2.2"
                yield call, wrong, "MCP_ERROR_PHOTON", fragment
                yield call, {**wrong, "n_theta": 1}, "MCP_ERROR_PHOTON", f"to {highest:g}: x is"


def _wrong_kinds():
    """Each sampler is asked for what only others have, and the text says which."""
    remedies = {
        **dict.fromkeys(TRANSFORMS, "transform with gan or torch"),
        **dict.fromkeys(EVENT_TRANSFORMS, 'only "gan-event"'),
        **dict.fromkeys((*SCATTERINGS, "mcp_sampler_photon_range"), '"gan-event" or "exact-event"'),
    }
    for call, kinds in KINDS.items():
        for sampler in (*ELECTRONS, *EVENTS):
            if sampler in kinds or call in SEEDING:
                continue
            for n in (0, N):
                wrong = {"sampler": sampler, "n": n, "n_theta": n}
                said = remedies.get(call, "mcp_scatter")
                if call in TRANSFORMS and sampler in EVENTS:
                    said = "mcp_scatter"
                if call == "mcp_sampler_acceptance":
                    said = 'ask "rejection"'
                yield call, wrong, "MCP_ERROR_UNSUPPORTED", said


def _table():
    for call, spoiled, status, fragment in (
        *_bad_calls(),
        *_bad_random_states(),
        *_bad_latents(),
        *_bad_photons(),
        *_wrong_kinds(),
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
    assert fragment in library.error_text()


_ALL_KINDS = [(call, kind) for call, kinds in KINDS.items() for kind in kinds]


@pytest.mark.parametrize(
    ("call", "kind"), [both for both in _ALL_KINDS if both[0] in {**DRAWS, **SCATTERINGS}]
)
def test_refused_by_all_kinds(call, kind, library, samplers):
    """One temperature of many out of range: no sampler starts before it has seen them all."""
    arguments = Arguments(library, samplers, {"sampler": kind, f"theta[{N - 1}]": np.nan})
    assert arguments.call(call) == library.functions.MCP_ERROR_THETA
    assert arguments.changed() == set()


# ---- What is fine ----


@pytest.mark.parametrize(("call", "kind"), _ALL_KINDS)
def test_good_call_changes_its_outputs_alone(call, kind, library, samplers):
    arguments = Arguments(library, samplers, {"sampler": kind})
    assert arguments.call(call) == library.functions.MCP_OK
    expected = {"lo", "hi"} if {"lo", "hi"} <= set(CALLS[call]) else _outputs(call)
    expected |= {"acceptance"} if call == "mcp_sampler_acceptance" else set()
    assert arguments.changed() == expected
    for name in expected - {"rng", "streams"}:
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


@pytest.mark.parametrize(("call", "kind"), [both for both in _ALL_KINDS if both[0] in WITH_THETA])
def test_ends_of_the_range(call, kind, library, samplers):
    """The lowest and the highest temperature belong to the range."""
    for theta in THETA_RANGES[kind]:
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


def test_ends_of_photons_and_latents_of_events(library, samplers):
    """The softest and the hardest photon, v from 0 to 1 and z from -12 to 12."""
    ends = {"x[0]": 2.2250738585072014e-308, "x[1]": 10.0}
    ends |= {"v[0]": 0.0, "v[1]": 1.0, "z[0]": -12.0, "z[1]": 12.0}
    arguments = Arguments(library, samplers, ends)
    assert arguments.call("mcp_transform_event") == library.functions.MCP_OK
    assert arguments.of("x_out")[0] == ends["x[0]"]
    assert arguments.of("cosine")[:2].tolist() == [1.0, -1.0]
    for kind in EVENTS:
        hardest = {**ends, "x[1]": 1e4, "sampler": kind}
        for call in SCATTERINGS:
            arguments = Arguments(library, samplers, hardest)
            assert arguments.call(call) == library.functions.MCP_OK
            assert np.all(arguments.of("x_out") > 0)
            assert np.all(np.abs(arguments.of("cosine")) <= 1)


# ---- Samplers ----


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
        assert "was destroyed" in library.error_text()
        assert arguments.changed() == set()
    assert functions.mcp_sampler_instruction_set(made[0]) == ffi.NULL
    for handle in made[1:]:
        functions.mcp_sampler_destroy(handle)


def test_instruction_set_of_nothing(library):
    functions, ffi = library.functions, library.ffi
    zeros = ffi.new("uint64_t[]", 16384)
    for handle in (ffi.NULL, ffi.cast("mcp_sampler *", zeros)):
        assert functions.mcp_sampler_instruction_set(handle) == ffi.NULL
        assert "no sampler" in library.error_text()


def test_destroying_nothing(library):
    """NULL and memory that is no sampler are left alone; the first is no failure."""
    functions, ffi = library.functions, library.ffi
    zeros = ffi.new("uint64_t[]", 16384)
    assert functions.mcp_sampler_create(b"a failure before", ffi.new("mcp_sampler **")) != 0
    functions.mcp_sampler_destroy(ffi.NULL)
    assert "a failure before" in library.error_text()
    functions.mcp_sampler_destroy(ffi.cast("mcp_sampler *", zeros))
    assert not any(zeros)


# ---- Texts ----


def test_statuses(library):
    """Every status has a meaning of its own, and unknown ones say so."""
    functions, ffi = library.functions, library.ffi
    known = ffi.typeof("enum mcp_status").elements
    assert sorted(known) == list(range(12))
    said = {status: ffi.string(functions.mcp_strerror(status)).decode() for status in known}
    assert len(set(said.values())) == len(known)
    assert said[functions.MCP_OK] == "success"
    for status in (-1, 12, 13, 2**31 - 1, -(2**31)):
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
        said[name] = [library.error_text()]
        steps.wait()
        functions.mcp_sampler_create(f"sampler of {name}".encode(), ffi.new("mcp_sampler **"))
        steps.wait()
        said[name].append(library.error_text())

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
    assert "nobody" in library.error_text()
