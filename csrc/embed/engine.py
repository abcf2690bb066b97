"""The engine behind "torch:..." samplers, as it runs in the embedded Python.

Exceptions become a status and a text; nothing is printed, since the process belongs to the host.
"""

import itertools
import threading
import warnings

import numpy as np
from _mcplugin_torch import ffi, lib

from mcplugin.errors import InputError, WeightsError
from mcplugin.samplers.gan import TorchGanSampler

STATUS = (
    (WeightsError, lib.MCP_ERROR_WEIGHTS),
    (InputError, lib.MCP_ERROR_SPEC),
    (MemoryError, lib.MCP_ERROR_MEMORY),
)

samplers = {}
handles = itertools.count(1)
opening = threading.Lock()  # catch_warnings is not made for two threads at once


def failed(error, warned, text, text_size):
    """Write why something failed, on one line, and return the status."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), None)
    reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    sentences = [reason, *(str(warning.message) for warning in warned)]
    write(text, text_size, " ".join(" ".join(sentences).split()))
    return lib.MCP_ERROR_TORCH if status is None else status


def write(text, text_size, sentence):
    """Fill the caller's buffer, without cutting a character in two."""
    if text_size > 0:
        cut = sentence.encode("utf-8", "replace")[: text_size - 1]
        cut = cut.decode("utf-8", "ignore").encode()
        ffi.memmove(text, cut + b"\0", len(cut) + 1)


def silent(*_):
    """Keep cffi from printing an exception that came while another one was reported."""
    return lib.MCP_ERROR_TORCH


def array(pointer, n):
    """The caller's n doubles, in place."""
    return np.frombuffer(ffi.buffer(pointer, n * ffi.sizeof("double")))


@ffi.def_extern(error=lib.MCP_ERROR_TORCH, onerror=silent)
def python_open(device, engine, theta_lo, theta_hi, text, text_size):
    """Load the generator on a device."""
    warned = []
    try:
        # torch says in warnings why a GPU is not usable.
        with opening, warnings.catch_warnings(record=True) as warned:
            sampler = TorchGanSampler(ffi.string(device).decode())
        handle = next(handles)
        samplers[handle] = sampler
        engine[0] = handle
        theta_lo[0], theta_hi[0] = sampler.theta_range
    except BaseException as error:
        return failed(error, warned, text, text_size)
    return lib.MCP_OK


@ffi.def_extern(error=lib.MCP_ERROR_TORCH, onerror=silent)
def python_map(engine, n, radius, theta, n_theta, u, text, text_size):
    """Map latent radii to four-velocities."""
    try:
        sampler = samplers.get(engine)
        if sampler is None:
            write(text, text_size, f"torch engine {engine} was never opened, or was closed")
            return lib.MCP_ERROR_HANDLE
        if n > 0:
            temperature = theta[0] if n_theta == 1 else array(theta, n)
            array(u, n)[:] = sampler.transform(array(radius, n), temperature)
    except BaseException as error:
        return failed(error, [], text, text_size)
    return lib.MCP_OK


@ffi.def_extern(onerror=silent)
def python_close(engine):
    """Forget a generator."""
    samplers.pop(engine, None)
