"""What tests of the C library share: the library itself, and one sampler of each kind."""

import pytest

from mcplugin.native import binding


@pytest.fixture(scope="session")
def library():
    """The library, by its own functions and by those that raise its errors."""
    return binding.load()


@pytest.fixture(scope="session")
def samplers(library):
    """Handles by spec."""
    kinds = ("gan", "gan-exact", "rejection", "gan-event", "exact-event")
    return {spec: library.create(spec) for spec in kinds}
