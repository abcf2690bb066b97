"""Ctrl-C as a request: long work stops at its next good place instead of anywhere."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _StopRequest:
    """A handler of SIGINT that asks to stop, and whoever had asked to be asked before it."""

    def __init__(self, previous: Any) -> None:
        self.previous = previous
        self.event = threading.Event()

    def __call__(self, signal_number: int, frame: Any) -> None:
        self.event.set()
        if isinstance(self.previous, _StopRequest):
            self.previous(signal_number, frame)
        else:
            signal.signal(signal.SIGINT, self.previous)


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a request to stop; a second one interrupts as usual.

    Within another such block the request reaches both. Outside the main thread, where Python
    delivers no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield threading.Event()
        return
    request = _StopRequest(signal.getsignal(signal.SIGINT))
    signal.signal(signal.SIGINT, request)
    try:
        yield request.event
    finally:
        signal.signal(signal.SIGINT, request.previous)
