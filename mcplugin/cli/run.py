"""``mcplugin run``: from a configuration to a spectrum."""

import sys
from pathlib import Path

import click

from mcplugin.cli.output_folder import output_folder
from mcplugin.cli.progress import photon_bar
from mcplugin.cli.refusal import Refusal, WholeNumber
from mcplugin.errors import McpluginError
from mcplugin.transport import Configuration, Result, simulate

# What a shell reports for a program stopped by Ctrl-C.
INTERRUPTED = 130

PHOTON_LIST = "photons.h5"
RESULT_FILES = (*Result.FILES, PHOTON_LIST)


@click.command(epilog="Example:  mcplugin run examples/ic4329a.toml --photons 1e6 --out ic4329a")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--sampler", help="Where electrons come from; see 'mcplugin samplers'.")
@click.option("--photons", type=WholeNumber(1, 10**15), help="Number of seed photons.")
@click.option("--seed", type=WholeNumber(0, 2**64 - 1), help="Seed of the random streams.")
@click.option("--threads", type=WholeNumber(1, 4096), help="Worker threads; all cores by default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results; by default named after CONFIG.",
)
@click.option("--overwrite", is_flag=True, help="Replace results in an existing folder.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def run(
    config: Path,
    sampler: str | None,
    photons: int | None,
    seed: int | None,
    threads: int | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Follow photons through the plasma described in CONFIG (TOML).

    Writes spectrum.fits, spectrum.png and summary.json. Options override the configuration.
    Ctrl-C stops the run and leaves a valid partial result.
    """
    try:
        configuration = Configuration.load(config)
        folder = out or Path(config.stem)
        with (
            output_folder(folder, RESULT_FILES, overwrite) as unfinished,
            photon_bar(quiet) as progress,
        ):
            listed = unfinished / PHOTON_LIST if configuration.tally.photon_list else None
            result = simulate(
                configuration,
                sampler,
                photons,
                seed,
                threads=threads,
                progress=progress,
                photon_list=listed,
            )
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
        click.echo(
            f"interrupted: the result in {folder} is valid and holds {summary['photons']:,} of "
            f"{summary['photons_requested']:,} photons",
            err=True,
        )
        sys.exit(INTERRUPTED)


def _report(result: Result, folder: Path) -> str:
    s = result.summary
    listed = result.configuration.tally.photon_list
    written = RESULT_FILES if listed else Result.FILES
    return "\n".join(
        [
            f"photons        {s['photons']:,} in = {s['escaped']:,} escaped "
            f"+ {s['absorbed']:,} absorbed + {s['cut']:,} cut",
            f"scatterings    {s['mean_scatterings']:.4g} per photon",
            f"amplification  {s['amplification']:.5g} ± {s['amplification_error']:.2g}",
            f"speed          {s['photons_per_second']:.3g} photons/s, "
            f"{s['scatterings_per_second']:.3g} scatterings/s on {s['threads']} threads",
            f"written        {', '.join(str(folder / name) for name in written)}",
        ]
    )
