"""``mcplugin train``: from a training configuration to weights with their card."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcplugin.cli import options
from mcplugin.cli.refusal import Refusal, WholeNumber
from mcplugin.cli.run import INTERRUPTED
from mcplugin.configuration_file import read_toml
from mcplugin.errors import McpluginError, MissingPackageError, OutputError
from mcplugin.interruption import stop_on_interrupt
from mcplugin.learning.weights import save_weights

if TYPE_CHECKING:
    from mcplugin.learning.training import Progress, StagedTraining

_CHECKPOINT = "checkpoint"


@click.command(epilog="Example:  mcplugin train weights/mj-cgan.toml --out mj-cgan")
@options.config_file
@options.out("named after CONFIG")
@click.option("--seed", type=WholeNumber(0, 2**32 - 1), help="Seed of weights and draws.")
@click.option("--device", default="auto", help="auto, cpu or cuda.")
@click.option(
    "--threads",
    type=WholeNumber(1, 4096),
    default=1,
    show_default=True,
    help="Threads of torch; networks this small are fastest, and reproducible, on one.",
)
@click.option("--every", type=WholeNumber(1, 10**6), default=50, help="Steps between reports.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in --out.")
@click.option("--overwrite", is_flag=True, help="Begin anew in an existing folder.")
@options.quiet
def train(
    config: Path,
    out: Path | None,
    seed: int | None,
    device: str,
    threads: int,
    every: int,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train a generator as CONFIG (TOML) says.

    Writes NAME.safetensors with its card NAME.json, and the course of the training as
    training.json and training.png. Ctrl-C stops after keeping a checkpoint, from which --resume
    goes on.
    """
    folder = out or Path(config.stem)
    try:
        training = _prepared(config, seed, device, threads)
        if resume:
            training.resume(folder / _CHECKPOINT)
        elif folder.exists() and not overwrite:
            raise OutputError(f"{folder} exists: add --resume or --overwrite, or another --out")
        else:
            shutil.rmtree(folder / _CHECKPOINT, ignore_errors=True)
        with stop_on_interrupt() as stop, _shown(quiet) as report:
            finished = training.run(report, every, folder / _CHECKPOINT, stop.is_set)
        card = _write(training, folder)
    except McpluginError as error:
        raise Refusal(error) from error
    except OSError as error:
        raise Refusal(f"cannot write to {folder}: {error}") from error
    if not finished:
        click.echo(f"interrupted: go on with --resume --out {folder}", err=True)
        sys.exit(INTERRUPTED)
    if not quiet:
        click.echo(
            f"D <= {card['distance_max']:.3g} (mean {card['distance_mean']:.3g}) over all "
            f"conditions; written to {folder}"
        )
        if training.resolution > 0.0:
            click.echo(f"the samples cannot support a claim below D = {training.resolution:.2g}")


def _prepared(config: Path, seed: int | None, device: str, threads: int) -> "StagedTraining[Any]":
    try:
        import torch

        from mcplugin.learning.event_generator import FORM
        from mcplugin.learning.event_training import EventTraining, EventTrainingConfiguration
        from mcplugin.learning.training import Training, TrainingConfiguration
    except ImportError as error:
        raise MissingPackageError(
            "training needs PyTorch: pip install 'mcplugin[torch]'"
        ) from error
    torch.set_num_threads(threads)
    target = read_toml(config)[0].get("target")
    of_events = isinstance(target, dict) and target.get("kind") == FORM
    configuration = (EventTrainingConfiguration if of_events else TrainingConfiguration).load(
        config
    )
    if seed is not None:
        configuration = configuration.model_copy(update={"seed": seed})
    if device not in ("auto", "cpu", "cuda"):
        raise Refusal(f"--device = {device!r} is not one of auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise Refusal("--device = cuda, but torch sees no GPU: use cpu")
    if isinstance(configuration, EventTrainingConfiguration):
        return EventTraining(configuration, device)
    return Training(configuration, device)


def _write(training: "StagedTraining[Any]", folder: Path) -> dict[str, Any]:
    """Write weights, card, history and curve; give the card."""
    weights = training.weights()
    save_weights(folder / f"{training.name}.safetensors", weights)
    history = {"stages": training.progress.stages, "history": training.progress.history}
    (folder / "training.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    _curve(training).savefig(folder / "training.png")
    return weights.card


def _curve(training: "StagedTraining[Any]") -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    done = 0
    for number, stage in enumerate(training.stages):
        rows = [row for row in training.progress.history if row["stage"] == number]
        if not rows:
            break
        steps = [done + row["step"] for row in rows]
        axes.plot(steps, [row["distance_max"] for row in rows], label=f"{stage.objective}: largest")
        axes.plot(
            steps, [row["distance_mean"] for row in rows], ls="--", label=f"{stage.objective}: mean"
        )
        done = int(steps[-1])
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("distance $D$ from the target")
    axes.legend(frameon=False, fontsize=8)
    return figure


@contextmanager
def _shown(quiet: bool) -> Iterator[Any]:
    """A progress bar with live losses on a terminal, a line per report in a pipe."""

    def line(progress: "Progress") -> str:
        row = progress.history[-1]
        return (
            f"stage {int(row['stage']) + 1} step {int(row['step'])}: "
            f"loss {row['generator_loss']:.3g}, critic {row['critic_loss']:.3g}, "
            f"D {row['distance_max']:.2e} (mean {row['distance_mean']:.1e})"
        )

    if quiet:
        yield None
    elif not sys.stderr.isatty():
        yield lambda progress, _steps: click.echo(line(progress), err=True)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=None)

            def advance(progress: Any, steps: int) -> None:
                done = sum(stage["steps"] for stage in progress.stages) + progress.step
                bar.update(task, completed=done, total=steps, description=line(progress))

            yield advance
