"""Arguments and options that several commands share, each declared once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mcplugin.cli.refusal import WholeNumber

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

config_file = click.argument("config", type=click.Path(path_type=Path))
photons = click.option("--photons", type=WholeNumber(1, 10**15), help="Number of seed photons.")
seed = click.option("--seed", type=WholeNumber(0, 2**64 - 1), help="Seed of the random streams.")
threads = click.option(
    "--threads", type=WholeNumber(1, 4096), help="Worker threads; all cores by default."
)
quiet = click.option("--quiet", is_flag=True, help="Print nothing but errors.")


def out(by_default: str) -> Option:
    """Where to write."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        help=f"Folder for the results; by default {by_default}.",
    )


def overwrite(what: str = "results") -> Option:
    """Whether to replace what is there."""
    return click.option("--overwrite", is_flag=True, help=f"Replace {what} in an existing folder.")
