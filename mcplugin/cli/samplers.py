"""``mcplugin samplers``: which samplers there are, where they are valid, how good they are."""

import json
from collections.abc import Mapping
from typing import Any

import click

from mcplugin.cli.refusal import Refusal
from mcplugin.errors import McpluginError, MissingPackageError, SamplerError
from mcplugin.samplers import get_sampler, sampler_names

_THETAS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_SHOWN = (1e-2, 1.0, 100.0)


@click.command(epilog="Example:  mcplugin samplers --json")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, more theta.")
def samplers(as_json: bool) -> None:
    """List the registered electron samplers with their range and quality."""
    try:
        described = [entry for name in sampler_names() for entry in _described(name)]
    except McpluginError as error:
        raise Refusal(error) from error
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    columns = "{:<34}{:<13}" + "{:>10}" * len(_SHOWN)
    click.echo(columns.format("sampler", "theta range", *(f"at {theta:g}" for theta in _SHOWN)))
    for entry in described:
        if "missing" in entry:
            click.echo(f"{entry['sampler']}\n    {entry['missing']}")
            continue
        options = ", ".join(f"{key}={value}" for key, value in entry["options"].items())
        low, high = entry["theta_range"]
        title = f"{entry['sampler']} {options}".strip()
        click.echo(columns.format(title, f"{low:.3g}..{high:g}", *("",) * len(_SHOWN)).rstrip())
        measures = {name for values in entry["quality"].values() for name in values}
        for measure in sorted(measures):
            values = (entry["quality"][f"{theta:g}"].get(measure) for theta in _SHOWN)
            cells = ("-" if value is None else f"{value:.3g}" for value in values)
            click.echo(columns.format(f"    {measure}", "", *cells))


def _described(name: str) -> list[dict[str, Any]]:
    """A sampler in all its variants, or what has to be installed for it."""
    try:
        return [_describe(name, options) for options in get_sampler(name).variants]
    except MissingPackageError as error:
        return [{"sampler": name, "missing": str(error)}]


def _describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    sampler = get_sampler(name, **options)
    low, high = sampler.theta_range
    try:
        quality = {
            f"{theta:g}": dict(sampler.quality(theta)) if low <= theta <= high else {}
            for theta in _THETAS
        }
    except McpluginError:
        raise
    except Exception as error:
        raise SamplerError(
            f"sampler {name!r} cannot tell its quality: {type(error).__name__}: {error}"
        ) from error
    return {
        "sampler": name,
        "options": dict(options),
        "theta_range": [low, high],
        "quality": quality,
    }
