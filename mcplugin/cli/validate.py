"""``mcplugin validate``: how far a sampler is from exact, as a page with a verdict."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mcplugin.cli import options as shared
from mcplugin.cli.output_folder import output_folder
from mcplugin.cli.progress import stage_bars
from mcplugin.cli.refusal import Refusal, WholeNumber
from mcplugin.cli.run import INTERRUPTED
from mcplugin.errors import McpluginError

if TYPE_CHECKING:
    from mcplugin.fidelity import EventReport, Report

# Exit status if the sampler is told apart from exact by more than is accepted.
TOLD_APART = 1

Callback = TypeVar("Callback", bound=Callable[..., Any])


# What is measured, and how much of it, by default, for samplers of either kind.
_OF_ELECTRONS = {"draws": 10_000, "pooled": 10_000_000, "thetas": 40, "seeds": 25}
_OF_SCATTERINGS = {"events": 100_000_000, "photons": 2_000_000, "cells": 10}


def _number(name: str, low: int, high: int, text: str) -> Callable[[Callback], Callback]:
    """An option of one kind of sampler, whose default is shown but not given."""
    default = (_OF_ELECTRONS | _OF_SCATTERINGS)[name]
    return click.option(
        f"--{name}", type=WholeNumber(low, high), help=f"{text}  [default: {default}]"
    )


@click.command(epilog="Example:  mcplugin validate rejection --option method=canfield --pooled 1e6")
@click.argument("sampler")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the sampler; may be repeated.",
)
@_number("draws", 100, 10**6, "Electrons: size of a single sample.")
@_number("pooled", 10**4, 10**10, "Electrons: draws pooled at each temperature.")
@_number("thetas", 2, 1000, "Electrons: number of random temperatures.")
@_number("seeds", 1, 10_000, "Electrons: single samples at each temperature, each of its own seed.")
@_number("events", 10**4, 10**10, "Scatterings: events in all cells of energy and temperature.")
@_number("photons", 1000, 10**9, "Scatterings: photons in equilibrium, scattered 100 times.")
@_number("cells", 2, 30, "Scatterings: cells of the energy, and as many of the temperature.")
@click.option(
    "--seed",
    type=WholeNumber(0, 2**64 - 1),
    default=1,
    show_default=True,
    help="Seed of the random streams, and of the choice of temperatures and energies.",
)
@shared.threads
@shared.out("validation-SAMPLER")
@shared.overwrite("a report")
@shared.quiet
def validate(
    sampler: str,
    options: Sequence[str],
    seed: int,
    threads: int | None,
    out: Path | None,
    overwrite: bool,
    quiet: bool,
    **numbers: int | None,
) -> None:
    """Compare SAMPLER with the exact distribution of thermal electrons, or of Compton events.

    Writes report.html (one page that needs nothing else), report.json and the pictures. Exit
    status 0: passed; 1: the sampler is told apart from exact, where it is one of scatterings by
    more than is accepted, or draws outside its range; 2: bad input. An exact sampler fails by
    chance once in a thousand seeds.
    """
    # Here, so that the other commands start without it.
    from mcplugin.fidelity import EventReport, Report, validate_scattering
    from mcplugin.fidelity import validate as validate_electrons
    from mcplugin.samplers.scattering import ScatteringSampler, get_sampler_of_either_kind

    folder = out or Path(f"validation-{sampler}")
    try:
        chosen = dict(_key_and_value(option) for option in options)
        constructed = get_sampler_of_either_kind(sampler, **chosen)
        scatters = isinstance(constructed, ScatteringSampler)
        given = _of_this_kind(sampler, scatters, numbers)
        files = EventReport.FILES if scatters else Report.FILES
        with (
            output_folder(folder, files, overwrite) as unfinished,
            stage_bars(quiet) as progress,
        ):
            asked: dict[str, Any] = {
                **given,
                "seed": seed,
                "threads": threads,
                "progress": progress,
            }
            report: Report | EventReport
            if isinstance(constructed, ScatteringSampler):
                report = validate_scattering(constructed, **asked)
            else:
                report = validate_electrons(constructed, **asked)
            report.write(unfinished)
    except McpluginError as error:
        raise Refusal(error) from None
    except KeyboardInterrupt:
        click.echo("interrupted: nothing was written", err=True)
        sys.exit(INTERRUPTED)
    if not quiet:
        lines = _events(report) if isinstance(report, EventReport) else _electrons(report)
        click.echo("\n".join([*lines, f"written     {_first_files(report, folder)}"]))
    if not report.passed:
        sys.exit(TOLD_APART)


def _of_this_kind(
    sampler: str, scatters: bool, numbers: Mapping[str, int | None]
) -> dict[str, int]:
    """How much is asked for; what belongs to the other kind of sampler is refused."""
    mine = _OF_SCATTERINGS if scatters else _OF_ELECTRONS
    given = {name: number for name, number in numbers.items() if number is not None}
    for name in given:
        if name not in mine:
            kind = "scatterings" if scatters else "electrons"
            known = ", ".join(f"--{each}" for each in mine)
            raise Refusal(f"--{name} is not for {sampler!r}, a sampler of {kind}: give {known}")
    return {**mine, **given}


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


def _electrons(report: "Report") -> list[str]:
    measured = report.map_distance
    lines = _verdict(report)
    if measured is not None:
        worst = measured.distance.argmax()
        lines.append(
            f"distance    D <= {measured.distance[worst]:.2e} without sampling "
            f"(largest at theta = {measured.theta[worst]:.4g})"
        )
    return lines + _decision(report)


def _events(report: "EventReport") -> list[str]:
    lines = _verdict(report)
    for each in report.judgements:
        largest = f"typically below {each.typical_limit:.1e} by the events"
        if each.computed is not None:
            largest = f"at most {each.computed:.1e} without sampling, {largest}"
        lines.append(f"bar         {each.name}: {largest}; {each.bar:g} is {each.outcome}")
    return lines + _decision(report)


def _verdict(report: "Report | EventReport") -> list[str]:
    return [
        f"verdict     {report.sentence}",
        *(f"note        {warning}" for warning in report.warnings),
    ]


def _decision(report: "Report | EventReport") -> list[str]:
    found, v = report.classifier, report.verdict
    return [
        f"tests       {len(v.rejected)} of {v.tests} failed, smallest adjusted p-value "
        f"{v.smallest_p_value:.2g}",
        f"classifier  AUC {found.auc:.4f} ± {found.error:.4f}",
    ]


def _first_files(report: "Report | EventReport", folder: Path) -> str:
    return ", ".join(str(folder / name) for name in report.FILES[:2])
