"""Progress bars: on a terminal, and nowhere else."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from mcplugin.cli.log_file import listening

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Called with (photons done, photons in all), and what is running where that is not always the same.
PhotonBar = Callable[..., None]
_MOST_WORKER_BARS = 32
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
def photon_bar(quiet: bool, by_worker: bool = False) -> Iterator[PhotonBar | None]:
    """One bar over photons, with what is running or else their speed; None where none is shown.

    With ``by_worker``, a bar below it for the share of each worker, too.
    """
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

        with listening(_WorkerBars(display)) if by_worker else nullcontext():
            yield advance


class _WorkerBars(logging.Handler):
    """A bar for each worker, from its first chunk on: its share of the photons, and its speed."""

    def __init__(self, display: "Progress") -> None:
        super().__init__()
        self._display = display
        self._bars: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take a chunk into account."""
        event = vars(record)
        if "worker" not in event:
            return
        # Beyond what fits on a screen, all that come later share the last bar.
        few = len(self._bars) < _MOST_WORKER_BARS
        name = event["worker"] if event["worker"] in self._bars or few else "others"
        if name not in self._bars:
            self._bars[name] = self._display.add_task("", total=event["photons"], working=0.0)
        bar = self._bars[name]
        self._display.update(bar, advance=event["count"])
        shown = next(task for task in self._display.tasks if task.id == bar)
        working = shown.fields["working"] + event["seconds"]
        speed = f"{shown.completed / working:,.0f} photons/s" if working > 0.0 else ""
        self._display.update(bar, working=working, description=f"{name}: {speed}")


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
