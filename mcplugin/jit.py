"""How every compiled kernel of the package is compiled, in one place."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function with numba: cached on disk, without the GIL, in strict IEEE arithmetic.

    The GIL is released so that worker threads run kernels side by side; floating-point operations
    are never reassociated or contracted, so that a run gives the same bits wherever it runs.
    """
    compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return cast(Function, compiled)
