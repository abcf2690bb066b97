"""Ctrl-C and SIGTERM as requests: long work stops at its next good place instead of anywhere."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether, and by which signal, the work was asked to stop.

    Attributes
    ----------
    signal : int or None
        Number of the first signal that came.
    """

    def __init__(self, previous: dict[int, Any]) -> None:
        self.signal: int | None = None
        self._previous = previous

    def is_set(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal: note it, and pass it on to whoever had asked to be asked before."""
        if self.signal is None:
            self.signal = number
        previous = self._previous[number]
        if isinstance(previous, StopRequest):
            previous(number, frame)
        else:
            signal.signal(number, previous)


@contextmanager
def stop_on_interrupt() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request to stop; a second one acts as usual.

    Within another such block the request reaches both. Outside the main thread, where Python
    delivers no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopRequest({})
        return
    # None stands for a handler that was not set from Python, which Python cannot set again.
    previous: dict[int, Any] = {
        number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS
    }
    request = StopRequest(previous)
    for number in _SIGNALS:
        signal.signal(number, request)
    try:
        yield request
    finally:
        for number in _SIGNALS:
            signal.signal(number, previous[number])
