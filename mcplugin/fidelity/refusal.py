"""Asking a sampler for what it must refuse."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mcplugin.errors import InputError


def refusal(
    draw: Callable[[Any], object], value: float, error: type[InputError], otherwise: str
) -> tuple[bool, str]:
    """Whether a value is refused with the right error, alone and as one of several.

    Parameters
    ----------
    draw : callable
        Asks the sampler, with the value or an array of it.
    value : float
        What must be refused.
    error : type
        With which it must be.
    otherwise : str
        What it means if it is not.

    Returns
    -------
    bool
        Whether it was refused so.
    str
        The error's message, or what happened instead.
    """
    answer = ""
    for asked in (value, np.full(2, value)):
        try:
            draw(asked)
        except error as raised:
            answer = f"{type(raised).__name__}: {raised}"
        except Exception as raised:
            return False, f"{type(raised).__name__}: {raised}"
        else:
            return False, otherwise
    return True, answer
