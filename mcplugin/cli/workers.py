"""``--threads``, ``--processes``, ``--dask`` and ``mpiexec``: who follows the photons of a run."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click

from mcplugin.cli import options
from mcplugin.cli.refusal import WholeNumber
from mcplugin.errors import InputError
from mcplugin.transport.engines import (
    dask_cluster,
    launched_by_mpiexec,
    local_processes,
    mpi_ranks,
)

# Arguments of `simulate` and `resume`; None where there is nothing to do but to end.
Workers = dict[str, Any] | None
StartWorkers = Callable[[], AbstractContextManager[Workers]]


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, which reach the command as ``workers``: see :func:`chosen`."""

    @options.threads
    @click.option(
        "--processes", type=WholeNumber(1, 4096), help="Worker processes, in place of threads."
    )
    @click.option(
        "--dask",
        metavar="ADDRESS",
        help="Scheduler of a Dask cluster that does the work, for example tcp://head:8786.",
    )
    @functools.wraps(command)
    def with_workers(
        threads: int | None, processes: int | None, dask: str | None, **others: Any
    ) -> Any:
        return command(workers=lambda: chosen(threads, processes, dask), **others)

    return with_workers


@contextmanager
def chosen(threads: int | None, processes: int | None, dask: str | None) -> Iterator[Workers]:
    """Start what was asked for, and say it in arguments of `simulate`.

    Raises
    ------
    InputError
        If more than one of them was asked for.
    """
    mpi = launched_by_mpiexec()
    asked = {
        "--threads": threads is not None,
        "--processes": processes is not None,
        "--dask": dask is not None,
        "mpiexec": mpi,
    }
    if sum(asked.values()) > 1:
        named = " and ".join(name for name, given in asked.items() if given)
        raise InputError(f"{named} exclude each other: use one of them")
    if processes is not None:
        with local_processes(processes) as engine:
            yield engine._asdict()
    elif dask is not None:
        with dask_cluster(dask) as engine:
            yield engine._asdict()
    elif mpi:
        with mpi_ranks() as driver:
            yield driver and driver._asdict()
    else:
        yield {"threads": threads}
