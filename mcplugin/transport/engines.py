"""Who follows the photons besides this process's own threads: processes, a Dask cluster, MPI ranks.

Each of these gives an executor of its library for
:func:`~mcplugin.transport.simulation.simulate`, and how many chunks it works on at a time. Lost
workers, queues and transfers are that library's business.
"""

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from mcplugin.domain import whole_number
from mcplugin.errors import InputError, MissingPackageError, WorkerError

# What mpiexec of Open MPI, and of MPICH and its relatives, tell each rank.
_RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_SECONDS_TO_FINISH = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Engine(NamedTuple):
    """An executor and how many chunks it works on at a time."""

    executor: Executor
    workers: int


@contextmanager
def local_processes(count: int) -> Iterator[Engine]:
    """Start processes on this machine, each with one thread.

    Parameters
    ----------
    count : int
        How many.

    Raises
    ------
    InputError
        If it is not a whole number from 1 to 4096.
    """
    count = whole_number("processes", count, 1, 4096)
    # Forked processes would inherit locks that other threads of this one hold at that moment.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _stay_until_the_parent_ends) as executor:
        _start(executor, count)
        yield Engine(executor, count)


def _start(executor: Executor, count: int) -> None:
    """Start all processes now, deaf to signals until they know what to do with them."""
    # Its own start would make this process hear again too early.
    resource_tracker.ensure_running()
    hearing = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        for _ in range(count):
            executor.submit(int)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, hearing)


def _stay_until_the_parent_ends() -> None:
    """Leave signals to the parent, which may want its last chunks, but do not outlive it."""
    # A pool that lost a worker ends the others by SIGTERM, and a batch system ends all processes of
    # a job so: by then the chunk in hand is done, or nobody waits for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_soon)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _end_soon(number: int, frame: Any) -> None:
    end = threading.Timer(_SECONDS_TO_FINISH, os._exit, (1,))
    end.daemon = True
    end.start()


@contextmanager
def dask_cluster(address: str) -> Iterator[Engine]:
    """Use the workers of a running Dask cluster, which must have mcplugin installed.

    Parameters
    ----------
    address : str
        Of the scheduler, for example ``tcp://head:8786``, or the path of its file.

    Raises
    ------
    MissingPackageError
        If distributed is not installed.
    InputError
        If nobody answers at the address.
    WorkerError
        If the cluster has no workers.
    """
    distributed = _package("distributed", "dask")
    where = {"scheduler_file": address} if os.path.isfile(address) else {"address": address}
    try:
        client = distributed.Client(**where)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"no Dask scheduler answers at {address!r} ({reason}): give its address, for example "
            "tcp://head:8786"
        ) from error
    with client:
        workers = sum(client.nthreads().values())
        if workers == 0:
            raise WorkerError(f"the Dask cluster at {address} has no workers: start some")
        # Not "pure": the same photons may be asked for again after a chunk was lost.
        with client.get_executor(pure=False) as executor:
            yield Engine(executor, workers)


def launched_by_mpiexec() -> bool:
    """Whether this process is one of several ranks."""
    return any(os.environ.get(name, "1") not in ("", "1") for name in _RANKS)


@contextmanager
def mpi_ranks() -> Iterator[Engine | None]:
    """Use the ranks of ``mpiexec``: the first one drives, all others follow photons.

    Gives None in the others, once all is done: they have nothing left to do.

    Raises
    ------
    MissingPackageError
        If mpi4py is not installed, or finds no MPI library.
    """
    mpi = _package("mpi4py.MPI", "mpi")
    futures = _package("mpi4py.futures", "mpi")
    if mpi.COMM_WORLD.rank != 0:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    with futures.MPICommExecutor(mpi.COMM_WORLD, root=0) as executor:
        yield executor and Engine(executor, max(mpi.COMM_WORLD.size - 1, 1))


def _package(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError(
            f"{name.partition('.')[0]} cannot be imported ({error}): "
            f"pip install 'mcplugin[{extra}]'"
        ) from error
