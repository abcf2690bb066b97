"""Where inputs are let in: the checks that stand at every public function."""

import math
import os
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mcplugin.errors import InputError, ThetaRangeError

THETA_MIN = 1e-4
THETA_MAX = 1e2
THETA_REMEDY = "theta is kT/(m_e c^2): divide a temperature in keV by 510.99895"


Instance = TypeVar("Instance")


def real_array(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Give ``value`` as float64, refusing what is not a real number (strings, complex, NaN, inf).

    Raises
    ------
    InputError
        Naming the argument and the first offending value.
    """
    if hasattr(value, "unit"):
        raise InputError(f"{name} = {value} carries a unit, where a plain number is meant")
    try:
        array = np.asarray(value)
    except Exception as error:
        # Ragged lists, and objects that claim to be arrays.
        raise InputError(f"{name} must be real numbers: {error}") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be real numbers, not {array.dtype}")
    # What is too large for a double becomes infinite, and is refused as such.
    with np.errstate(over="ignore"):
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
    if type(value) is float and low <= value <= high and math.isfinite(value):
        # What most calls give, in a tenth of the time.
        return np.array(value)
    array = real_array(name, value)
    outside = (array < low) | (array > high)
    if outside.any():
        culprit = float(array[outside].flat[0])
        message = f"{name} = {culprit:.6g} is outside {low:g} <= {name} <= {high:g}"
        raise error(f"{message}; {remedy}" if remedy else message)
    return array


def single(name: str, value: NDArray[np.float64]) -> float:
    """Give a checked array of one number as that number.

    Raises
    ------
    InputError
        If it is an array of numbers, be it of none or of one.
    """
    if value.ndim > 0:
        raise InputError(f"{name} must be one number, not an array of shape {value.shape}")
    return float(value)


def broadcast(**arrays: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Give checked arrays, named as the arguments are, in the one shape that they go together to.

    Raises
    ------
    InputError
        If there is no such shape, naming the arguments and theirs.
    """
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError as error:
        names = " and ".join(arrays)
        shapes = " and ".join(str(array.shape) for array in arrays.values())
        raise InputError(f"{names} must have shapes that go together, not {shapes}") from error
    return tuple(np.broadcast_to(array, shape) for array in arrays.values())


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
        exact = not isinstance(value, (bool, np.bool_, str, bytes)) and bool(whole == value)
    except Exception:
        # Whatever an object does that is asked for a number, it has none.
        exact = False
    if not exact or getattr(value, "ndim", 0) > 0:
        raise InputError(f"{name} = {value!r} is not a whole number")
    if not low <= whole <= high:
        raise InputError(f"{name} = {whole} is outside {low} <= {name} <= {high}")
    return whole


def probability(name: str, value: Any) -> float:
    """Give ``value`` as a float in the open interval (0, 1).

    Raises
    ------
    InputError
        If it is no number or outside.
    """
    number = single(name, real_array(name, value))
    if not 0.0 < number < 1.0:
        raise InputError(f"{name} = {number} is outside 0 < {name} < 1")
    return number


def file_path(name: str, value: Any) -> Path:
    """Give ``value`` as the path of a file, which need not exist.

    Raises
    ------
    InputError
        If it is no path, or one that no file can have.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} = {value!r} is no path: give a str or a pathlib.Path")
    path = Path(value)
    if not path.name or "\0" in str(path):
        raise InputError(f"{name} = {str(value)!r} names no file")
    return path


def instance_of(name: str, value: Any, kind: type[Instance], remedy: str) -> Instance:
    """Give ``value`` back if it is of the kind that is meant.

    Raises
    ------
    InputError
        Naming the argument, what it is, and the remedy.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}: {remedy}")
    return value
