"""Tasks shared among threads, with their results in order and progress shown."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TypeVar

from mcplugin.errors import McpluginError, SamplerError

T = TypeVar("T")

# Called with (what is being done, steps done, steps in all).
Progress = Callable[[str, int, int], None]


@contextmanager
def failures_named(sampler: str) -> Iterator[None]:
    """Whatever a sampler from elsewhere raises, as a `SamplerError` with its tag."""
    try:
        yield
    except McpluginError:
        raise
    except Exception as error:
        raise SamplerError(f"sampler {sampler!r} failed: {error}") from error


class Crew(AbstractContextManager["Crew"]):
    """Threads that work for one validation.

    Parameters
    ----------
    threads : int
        How many.
    sampler : str
        Tag of the sampler that the tasks draw from.
    progress : callable, optional
        Called with (stage, steps done, steps in all).
    """

    def __init__(self, threads: int, sampler: str, progress: Progress | None = None) -> None:
        self.threads = threads
        self.sampler = sampler
        self.progress = progress
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="mcplugin")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def all(self, stage: str, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Do all tasks; give all results in order."""
        return list(self.results(stage, tasks))

    def results(self, stage: str, tasks: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Do all tasks; give their results in order, with few of them waiting.

        Raises
        ------
        SamplerError
            For whatever a sampler from elsewhere raises.
        """
        flying: deque[Future[T]] = deque()
        self._show(stage, 0, len(tasks))
        try:
            for done in range(len(tasks)):
                ahead = tasks[done + len(flying) : done + 2 * self.threads]
                flying.extend(self._pool.submit(task) for task in ahead)
                with failures_named(self.sampler):
                    result = flying.popleft().result()
                self._show(stage, done + 1, len(tasks))
                yield result
        finally:
            for future in flying:
                future.cancel()

    def _show(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)
