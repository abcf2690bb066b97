"""Import, first electron and first photon of a fresh process, with and without compiled code."""

import pytest
import start_times

DOES, LEFT_OUT = start_times.programs()


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A cache in which everything is."""
    cache = str(tmp_path_factory.mktemp("numba"))
    for arguments in DOES.values():
        start_times.run(arguments, cache)
    return cache


def arguments_of(what):
    """Of Python, if it can be started here."""
    if what in LEFT_OUT:
        pytest.skip(f"{what}: {LEFT_OUT[what]}")
    return DOES[what]


@pytest.mark.parametrize("what", [*DOES, *LEFT_OUT])
def test_warm(benchmark, warm, what):
    """As any but a user's first process."""
    benchmark.group = "start, numba's cache warm"
    benchmark.pedantic(start_times.run, (arguments_of(what), warm), rounds=5)


@pytest.mark.parametrize("what", [*DOES, *LEFT_OUT])
def test_empty(benchmark, what):
    """A user's very first process."""
    benchmark.group = "start, numba's cache empty"
    benchmark.pedantic(start_times.run_from_empty, (arguments_of(what),), rounds=1)
