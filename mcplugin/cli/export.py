"""``mcplugin export``: other forms of trained weights, derived from the safetensors file."""

from pathlib import Path

import click

from mcplugin.cli.refusal import Refusal
from mcplugin.errors import McpluginError, MissingPackageError, OutputError, WeightsError
from mcplugin.learning.c_form import c_form_of
from mcplugin.learning.weights import Weights, default_weights, load_weights

_SUFFIXES = {"torchscript": ".pt", "c": ".mcp"}


@click.command(epilog="Example:  mcplugin export --format c --out mj-cgan.mcp")
@click.argument("weights", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_SUFFIXES)),
    default="torchscript",
    show_default=True,
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def export(weights: Path | None, form: str, out: Path | None, overwrite: bool) -> None:
    """Write the generator in WEIGHTS (by default the package's own) in another form.

    torchscript: a module that maps latents (n, 3), standard normal, and theta, a scalar tensor or
    (n,), to four-velocities (n, 3); its method radial(r, theta) maps radii alone. Double precision.

    c: a file for libmcplugin, whose samplers gan:FILE and gan-exact:FILE read it, or gan-event:FILE
    if the weights are those of Compton events.
    """
    source = weights or default_weights()
    target = out or Path(source.with_suffix(_SUFFIXES[form]).name)
    try:
        if target.exists() and not overwrite:
            raise OutputError(f"{target} exists: choose another --out or add --overwrite")
        loaded = load_weights(source)
        if form == "c":
            # The same bytes that the build compiles into the library.
            target.write_bytes(_c_form(loaded))
        else:
            _save_torchscript(loaded, target)
    except McpluginError as error:
        raise Refusal(error) from error
    except (OSError, RuntimeError) as error:
        raise Refusal(f"cannot write {target}: {error}") from error
    click.echo(f"written {target} ({form})")


def _c_form(weights: Weights) -> bytes:
    try:
        return c_form_of(weights.tensors, weights.card)
    except ValueError as error:
        raise WeightsError(str(error)) from error


def _save_torchscript(weights: Weights, target: Path) -> None:
    try:
        from mcplugin.learning.generator import torchscript
    except ImportError as error:
        raise MissingPackageError(
            "exporting TorchScript needs PyTorch: pip install 'mcplugin[torch]'"
        ) from error
    torchscript(weights).save(str(target))
