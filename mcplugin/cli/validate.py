"""``mcplugin validate``: how far a sampler is from exact, as a page with a verdict."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcplugin.cli import options as shared
from mcplugin.cli.output_folder import output_folder
from mcplugin.cli.progress import stage_bars
from mcplugin.cli.refusal import Refusal, WholeNumber
from mcplugin.cli.run import INTERRUPTED
from mcplugin.errors import McpluginError

if TYPE_CHECKING:
    from mcplugin.fidelity import Report

# Exit status if the sampler is told apart from exact.
TOLD_APART = 1


@click.command(epilog="Example:  mcplugin validate rejection --option method=canfield --pooled 1e6")
@click.argument("sampler")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the sampler; may be repeated.",
)
@click.option(
    "--draws",
    type=WholeNumber(100, 10**6),
    default=10_000,
    show_default=True,
    help="Size of a single sample.",
)
@click.option(
    "--pooled",
    type=WholeNumber(10**4, 10**10),
    default=10_000_000,
    show_default=True,
    help="Draws pooled at each temperature.",
)
@click.option(
    "--thetas",
    type=WholeNumber(2, 1000),
    default=40,
    show_default=True,
    help="Number of random temperatures.",
)
@click.option(
    "--seeds",
    type=WholeNumber(1, 10_000),
    default=25,
    show_default=True,
    help="Single samples at each temperature, each with its own seed.",
)
@click.option(
    "--seed",
    type=WholeNumber(0, 2**64 - 1),
    default=1,
    show_default=True,
    help="Seed of the random streams and temperatures.",
)
@shared.threads
@shared.out("validation-SAMPLER")
@shared.overwrite("a report")
@shared.quiet
def validate(
    sampler: str,
    options: Sequence[str],
    draws: int,
    pooled: int,
    thetas: int,
    seeds: int,
    seed: int,
    threads: int | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Compare SAMPLER with the exact distribution of thermal electrons.

    Writes report.html (one page that needs nothing else), report.json and the pictures. Exit
    status 0: passed; 1: the sampler is told apart from exact, or draws electrons outside its range
    of temperatures; 2: bad input. An exact sampler fails by chance once in a thousand seeds.
    """
    # Here, so that the other commands start without it.
    from mcplugin.fidelity import Report
    from mcplugin.fidelity import validate as compare

    folder = out or Path(f"validation-{sampler}")
    try:
        chosen = dict(_key_and_value(option) for option in options)
        with (
            output_folder(folder, Report.FILES, overwrite) as unfinished,
            stage_bars(quiet) as progress,
        ):
            report = compare(
                _constructed(sampler, chosen),
                draws=draws,
                pooled=pooled,
                thetas=thetas,
                seeds=seeds,
                seed=seed,
                threads=threads,
                progress=progress,
            )
            report.write(unfinished)
    except McpluginError as error:
        raise Refusal(error) from None
    except KeyboardInterrupt:
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(INTERRUPTED)
    if not quiet:
        click.echo(_summary(report, folder))
    if not report.passed:
        sys.exit(TOLD_APART)


def _constructed(sampler: str, options: dict[str, Any]) -> Any:
    from mcplugin.samplers import get_sampler

    return get_sampler(sampler, **options)


def _key_and_value(option: str) -> tuple[str, Any]:
    """Split ``key=value``; numbers, true and false are taken as such, anything else as text."""
    key, equals, text = option.partition("=")
    if not equals or not key.isidentifier():
        raise Refusal(f"--option {option!r} is not of the form key=value")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return key, value if isinstance(value, (int, float, bool)) else text


def _summary(report: "Report", folder: Path) -> str:
    measured = report.map_distance
    lines = [f"verdict     {report.sentence}"]
    lines += [f"note        {warning}" for warning in report.warnings]
    if measured is not None:
        worst = measured.distance.argmax()
        lines.append(
            f"distance    D <= {measured.distance[worst]:.2e} without sampling "
            f"(largest at theta = {measured.theta[worst]:.4g})"
        )
    found, v = report.classifier, report.verdict
    lines += [
        f"tests       {len(v.rejected)} of {v.tests} failed, smallest adjusted p-value "
        f"{v.smallest_p_value:.2g}",
        f"classifier  AUC {found.auc:.4f} ± {found.error:.4f}",
        f"written     {', '.join(str(folder / name) for name in report.FILES[:2])}",
    ]
    return "\n".join(lines)
