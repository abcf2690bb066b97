"""``mcplugin samplers``: which samplers there are, where they are valid, how good they are."""

import json
from collections.abc import Mapping
from typing import Any

import click

from mcplugin.cli.refusal import Refusal
from mcplugin.errors import McpluginError, MissingPackageError, SamplerError
from mcplugin.samplers import sampler_names, scattering_sampler_names
from mcplugin.samplers.scattering import ScatteringSampler, get_sampler_of_either_kind

_THETAS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_SHOWN = (1e-2, 1.0, 100.0)
ELECTRONS, SCATTERINGS = "electrons", "scatterings"


@click.command(epilog="Example:  mcplugin samplers --json")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, more theta.")
def samplers(as_json: bool) -> None:
    """List the registered samplers of electrons and of scatterings with range and quality."""
    names = [*sampler_names(), *scattering_sampler_names()]
    try:
        described = [entry for name in names for entry in _described(name)]
    except McpluginError as error:
        raise Refusal(error) from error
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    columns = "{:<34}{:<13}" + "{:>10}" * len(_SHOWN)
    click.echo(columns.format("sampler", "theta range", *(f"at {theta:g}" for theta in _SHOWN)))
    listed = ELECTRONS
    for entry in described:
        if entry["of"] != listed:
            listed = entry["of"]
            click.echo(f"of whole {listed}:")
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
        variants = get_sampler_of_either_kind(name).variants
        return [_describe(name, options) for options in variants]
    except MissingPackageError as error:
        of = ELECTRONS if name in sampler_names() else SCATTERINGS
        return [{"sampler": name, "of": of, "missing": str(error)}]


def _describe(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    sampler = get_sampler_of_either_kind(name, **options)
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
    described = {
        "sampler": name,
        "of": ELECTRONS,
        "options": dict(options),
        "theta_range": [low, high],
        "quality": quality,
    }
    if isinstance(sampler, ScatteringSampler):
        described |= {"of": SCATTERINGS, "x_range": list(sampler.x_range)}
    return described
