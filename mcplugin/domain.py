"""Where inputs are let in: the checks that stand at every public function."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.errors import InputError, ThetaRangeError

THETA_MIN = 1e-4
THETA_MAX = 1e2
THETA_REMEDY = "theta is kT/(m_e c^2): divide a temperature in keV by 510.99895"


def real_array(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Give ``value`` as float64, refusing what is not a real number (strings, complex, NaN, inf).

    Raises
    ------
    InputError
        Naming the argument and the first offending value.
    """
    if hasattr(value, "unit"):
        raise InputError(f"{name} = {value} carries a unit, where a plain number is meant")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be real numbers, not {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        culprit = array[~np.isfinite(array)].flat[0]
        raise InputError(f"{name} = {culprit} is not finite: give a finite number")
    return array


def array_within(
    name: str,
    value: ArrayLike,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    error: type[InputError] = InputError,
    remedy: str = "",
) -> NDArray[np.float64]:
    """Give ``value`` as finite float64 with ``low <= value <= high``, or say which one is outside.

    Raises
    ------
    InputError
        Or the ``error`` asked for, naming the value, the range and the remedy.
    """
    array = real_array(name, value)
    outside = (array < low) | (array > high)
    if outside.any():
        culprit = float(array[outside].flat[0])
        message = f"{name} = {culprit:.6g} is outside {low:g} <= {name} <= {high:g}"
        raise error(f"{message}; {remedy}" if remedy else message)
    return array


def temperature(
    theta: ArrayLike,
    low: float = THETA_MIN,
    high: float = THETA_MAX,
    remedy: str = THETA_REMEDY,
) -> NDArray[np.float64]:
    """Give the electron temperature kT/(mₑc²) as float64 within the range that is valid here.

    Raises
    ------
    ThetaRangeError
        If any value is outside ``[low, high]``.
    InputError
        If any value is not a finite real number.
    """
    return array_within("theta", theta, low, high, error=ThetaRangeError, remedy=remedy)


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """Give ``value`` as an int in ``[low, high]``; floats such as 1e6 are welcome if whole.

    Raises
    ------
    InputError
        If the value is no whole number or lies outside the range.
    """
    try:
        whole = int(value)
        exact = not isinstance(value, (bool, np.bool_, str)) and whole == value
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise InputError(f"{name} = {value!r} is not a whole number")
    if not low <= whole <= high:
        raise InputError(f"{name} = {whole} is outside {low} <= {name} <= {high}")
    return whole
