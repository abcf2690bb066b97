"""Ctrl-C as a request to stop."""

import os
import signal
import threading

import pytest

from mcplugin.interruption import stop_on_interrupt


def press_ctrl_c():
    """Send SIGINT to this process, which Python handles before the next line."""
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_asks_and_the_second_interrupts():
    """Afterwards everything is as before."""
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt() as stop:
        assert not stop.is_set()
        press_ctrl_c()
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_request_within_another_reaches_both():
    """A comparison stops when one of its runs is interrupted, even at the run's very end."""
    with stop_on_interrupt() as outer:
        with stop_on_interrupt() as inner:
            press_ctrl_c()
            assert inner.is_set()
        assert outer.is_set()


def test_sigterm_is_a_request_too():
    """It is noted which signal came first."""
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_interrupt() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
        press_ctrl_c()
        assert stop.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_are_left_alone():
    """Signals are the main thread's business."""
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work():
        with stop_on_interrupt() as stop:
            seen.append((stop.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
