"""Progress bars: on a terminal, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Called with (photons done, photons in all), and what is running where that is not always the same.
PhotonBar = Callable[..., None]
# Called with (stage, units done, units in all).
StageBars = Callable[[str, int, int], None]


@contextmanager
def _on_terminal(quiet: bool, *layout: str) -> Iterator["Progress | None"]:
    """A rich display of the given texts, of a bar where one is "bar", and of the time left."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [BarColumn(bar_width=None) if text == "bar" else TextColumn(text) for text in layout]
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as display:
        yield display


@contextmanager
def photon_bar(quiet: bool) -> Iterator[PhotonBar | None]:
    """One bar over photons, with what is running or else their speed; None where none is shown."""
    with _on_terminal(quiet, "bar", "{task.description}") as display:
        if display is None:
            yield None
            return
        task = display.add_task("compiling", total=None)

        def advance(done: int, total: int, running: str | None = None) -> None:
            speed = display.tasks[0].finished_speed or display.tasks[0].speed or 0.0
            status = (
                f"{done / total:4.0%} of {total:,} photons, "
                f"{running or f'{speed:,.0f} photons/s'}, left:"
            )
            display.update(task, completed=done, total=total, description=status)

        yield advance


@contextmanager
def stage_bars(quiet: bool) -> Iterator[StageBars | None]:
    """One bar for each stage, from its first report on; None where none is shown."""
    layout = ("{task.description:<24}", "bar", "{task.completed}/{task.total}")
    with _on_terminal(quiet, *layout) as display:
        if display is None:
            yield None
            return
        stages: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = display.add_task(stage, total=total)
            display.update(stages[stage], completed=done, total=total)

        yield advance
