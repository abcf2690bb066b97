"""``mcplugin compare``: one source with several samplers, as a page with a verdict."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcplugin.cli import options
from mcplugin.cli.output_folder import output_folder
from mcplugin.cli.progress import photon_bar
from mcplugin.cli.refusal import Refusal, WholeNumber
from mcplugin.cli.run import INTERRUPTED
from mcplugin.cli.validate import TOLD_APART
from mcplugin.errors import McpluginError
from mcplugin.transport import Configuration

if TYPE_CHECKING:
    from mcplugin.fidelity.comparison import Comparison


@click.command(
    epilog="Example:  mcplugin compare examples/cygnus_x1.toml --samplers rejection,gan,table"
)
@options.config_file
@click.option(
    "--samplers",
    default="rejection,gan",
    show_default=True,
    metavar="TAG,TAG,...",
    help="Two or more; see 'mcplugin samplers'. The same one twice is a control.",
)
@click.option("--reference", help="Which of them the others are compared with; else the first.")
@click.option("--photons", type=WholeNumber(1, 10**15), help="Seed photons of each sampler.")
@click.option(
    "--rounds",
    type=WholeNumber(1, 1000),
    default=5,
    show_default=True,
    help="Turns that each sampler takes; speeds are medians over them.",
)
@options.seed
@click.option(
    "--threads",
    type=WholeNumber(1, 4096),
    default=1,
    show_default=True,
    help="Worker threads; speeds are steadiest with one.",
)
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    help="Folder that keeps the runs as they go on; the same command again goes on from there.",
)
@options.out("comparison-CONFIG")
@options.overwrite("a comparison")
@options.quiet
def compare(
    config: Path,
    samplers: str,
    reference: str | None,
    photons: int | None,
    rounds: int,
    seed: int | None,
    threads: int,
    checkpoints: Path | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Run the source described in CONFIG (TOML) with each sampler; compare spectra and speeds.

    Writes comparison.html (one page that needs nothing else), comparison.json and the pictures.
    Every run has a seed of its own, counted up from --seed. Exit status 0: no sampler is told apart
    from the reference; 1: some sampler is; 2: bad input. Samplers of one law are told apart by
    chance once in a hundred seeds.
    """
    # Here, so that the other commands start without it.
    from mcplugin.fidelity.comparison import Comparison
    from mcplugin.fidelity.comparison import compare as compared

    folder = out or Path(f"comparison-{config.stem}")
    try:
        # Before the folder is made: a source that cannot be read leaves no trace.
        Configuration.load(config)
        with (
            output_folder(folder, Comparison.FILES, overwrite) as unfinished,
            photon_bar(quiet) as bar,
        ):
            comparison = compared(
                config,
                [tag.strip() for tag in samplers.split(",")],
                reference=reference,
                photons=photons,
                rounds=rounds,
                seed=seed,
                threads=threads,
                checkpoints=checkpoints,
                progress=bar and (lambda running, done, total: bar(done, total, running)),
            )
            comparison.write(unfinished)
    except McpluginError as error:
        raise Refusal(error) from error
    except KeyboardInterrupt:
        kept = f"; the same command goes on from {checkpoints}" if checkpoints else ""
        click.echo(f"interrupted: nothing was written{kept}", err=True)
        sys.exit(INTERRUPTED)
    if not quiet:
        click.echo(_summary(comparison, folder))
    if not comparison.passed:
        sys.exit(TOLD_APART)


def _summary(comparison: "Comparison", folder: Path) -> str:
    reference = comparison.reference
    width = max(11, *(len(run.label) + 1 for run in comparison.runs))
    lines = [f"{'verdict':<{width}} {comparison.sentence}"]
    for run in comparison.runs:
        speed = run.figure("photons_per_second").median
        share = run.figure("sampler_share").median
        text = (
            f"{speed:.3g} photons/s, {comparison.speed_up(run).median:.2f} times "
            f"{reference.label}, {100 * share:.0f} % of it the sampler's"
        )
        lines.append(f"{run.label:<{width}} {text}")
    lines += [
        f"{'bound':<{width}} an infinitely fast sampler would make the run "
        f"{comparison.bound.median:.2f} times faster than with {reference.label}",
        f"{'written':<{width}} {', '.join(str(folder / name) for name in comparison.FILES[:2])}",
    ]
    return "\n".join(lines)
