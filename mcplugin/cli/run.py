"""``mcplugin run`` and ``mcplugin resume``: from a configuration to a spectrum."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mcplugin.cli import options
from mcplugin.cli.log_file import log_file
from mcplugin.cli.output_folder import output_folder
from mcplugin.cli.progress import photon_bar
from mcplugin.cli.refusal import Refusal
from mcplugin.cli.workers import StartWorkers, worker_options
from mcplugin.errors import CheckpointWarning, McpluginError
from mcplugin.interruption import stop_on_interrupt
from mcplugin.transport import Configuration, Result, simulate
from mcplugin.transport import resume as resumed
from mcplugin.transport.checkpoint import Checkpoint

# What a shell reports for a program stopped by a signal is this more than the signal's number.
STOPPED = 128
# By Ctrl-C, for example.
INTERRUPTED = 130

# Takes the folder to write into and arguments of `simulate`.
Work = Callable[..., Result]

PHOTON_LIST = "photons.h5"
RESULT_FILES = (*Result.FILES, PHOTON_LIST)

_log_option = click.option(
    "--log", type=click.Path(path_type=Path), help="File for a line of JSON per event."
)


@click.command(epilog="Example:  mcplugin run examples/ic4329a.toml --photons 1e6 --out ic4329a")
@options.config_file
@click.option(
    "--sampler", help="Where electrons, or whole scatterings, come from; see 'mcplugin samplers'."
)
@options.photons
@options.seed
@worker_options
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="File that keeps the run as it goes on; if it exists, the run goes on from it.",
)
@_log_option
@options.out("named after CONFIG")
@options.overwrite()
@options.quiet
def run(
    config: Path,
    sampler: str | None,
    photons: int | None,
    seed: int | None,
    workers: StartWorkers,
    checkpoint: Path | None,
    log: Path | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Follow photons through the plasma described in CONFIG (TOML).

    Writes spectrum.fits, spectrum.png and summary.json. Options override the configuration.
    Ctrl-C and SIGTERM stop the run, which leaves a valid partial result (exit status 130 or 143);
    with --checkpoint, 'mcplugin resume' or the same command goes on from there. Under mpiexec the
    first rank drives and the others follow photons.
    """
    folder = out or Path(config.stem)

    def prepared() -> Work:
        configuration = Configuration.load(config)

        def work(unfinished: Path, **how: Any) -> Result:
            listed = unfinished / PHOTON_LIST if configuration.tally.photon_list else None
            kept: dict[str, Any] = {"photon_list": listed, "checkpoint": checkpoint}
            return simulate(configuration, sampler, photons, seed, **kept, **how)

        return work

    _carry_out(prepared, workers, checkpoint, log, folder, overwrite, quiet)


@click.command(epilog="Example:  mcplugin resume ic4329a.h5 --photons 1e10 --out ic4329a")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@options.photons
@worker_options
@_log_option
@options.out("named after CHECKPOINT")
@options.overwrite()
@options.quiet
def resume(
    checkpoint: Path,
    photons: int | None,
    workers: StartWorkers,
    log: Path | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Go on with the run that CHECKPOINT keeps, or improve a finished one by more --photons.

    The result has the same bits as that of a run without a break.
    """

    def prepared() -> Work:
        Checkpoint.read(checkpoint)
        return lambda unfinished, **how: resumed(checkpoint, photons, **how)

    folder = out or Path(checkpoint.stem)
    _carry_out(prepared, workers, checkpoint, log, folder, overwrite, quiet)


def _carry_out(
    prepared: Callable[[], Work],
    workers: StartWorkers,
    checkpoint: Path | None,
    log: Path | None,
    folder: Path,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Do it, write the result into the folder, and say how it went."""
    if checkpoint is not None and folder.resolve() == checkpoint.resolve():
        raise Refusal(f"{folder} is the checkpoint: choose another --out")
    try:
        with stop_on_interrupt() as stop, log_file(log), workers() as how:
            if how is None:
                return
            # Before the folder is made: what cannot be read leaves no trace.
            work = prepared()
            with (
                output_folder(folder, RESULT_FILES, overwrite) as unfinished,
                photon_bar(quiet, by_worker=True) as progress,
                _warnings_as_lines(),
            ):
                result = work(unfinished, progress=progress, **how)
                result.write(unfinished)
    except McpluginError as error:
        raise Refusal(error) from error
    except KeyboardInterrupt:
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(INTERRUPTED)
    if not quiet:
        click.echo(_report(result, folder))
    if result.interrupted:
        summary = result.summary
        further = f"; go on with: mcplugin resume {checkpoint}" if checkpoint else ""
        click.echo(
            f"interrupted: the result in {folder} is valid and holds {summary['photons']:,} of "
            f"{summary['photons_requested']:,} photons{further}",
            err=True,
        )
        sys.exit(STOPPED + stop.signal if stop.signal else INTERRUPTED)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """A line on standard error for each checkpoint that could not be written."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        warnings.showwarning = lambda message, *_, **__: click.echo(f"Warning: {message}", err=True)
        yield


def _report(result: Result, folder: Path) -> str:
    s = result.summary
    listed = result.configuration.tally.photon_list
    written = RESULT_FILES if listed else Result.FILES
    beyond = s["exact_scatterings"]
    exactly = f", {beyond:,} exactly, beyond the sampler's energies" if beyond else ""
    return "\n".join(
        [
            f"photons        {s['photons']:,} in = {s['escaped']:,} escaped "
            f"+ {s['absorbed']:,} absorbed + {s['cut']:,} cut",
            f"scatterings    {s['mean_scatterings']:.4g} per photon{exactly}",
            f"amplification  {s['amplification']:.5g} ± {s['amplification_error']:.2g}",
            f"speed          {s['photons_per_second']:.3g} photons/s, "
            f"{s['scatterings_per_second']:.3g} scatterings/s on {s['workers']} workers",
            f"written        {', '.join(str(folder / name) for name in written)}",
        ]
    )
