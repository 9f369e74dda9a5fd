"""Progress of long commands: what is done, how fast, how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Advance = Callable[[str, int, int], None]
LINE_SECONDS = 15.0  # between two lines about one step, where no bars can be drawn


class RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        """Draw the rate, or nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="dim")


@contextmanager
def step_bars() -> Iterator[Advance]:
    """Give a function that is told a step's name, the units done and the units in all; draw one bar a step.

    Where standard error is no terminal (a log file, a container), a line now and then takes the bar's place.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(console)
        return
    columns = (TextColumn("{task.description:>20}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks = {}

        def advance(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield advance


def lines(console: Console) -> Advance:
    """Return a function like that of `step_bars` which writes a line every quarter of a minute, and one at each end."""
    began: dict[str, float] = {}
    told: dict[str, float] = {}

    def advance(step: str, done: int, total: int) -> None:
        now = time.monotonic()
        began.setdefault(step, now)
        if done < total and now - told.setdefault(step, now) < LINE_SECONDS:
            return
        told[step] = now
        seconds = now - began[step]
        left = f", {seconds * (total - done) / done:,.0f} s left" if 0 < done < total else ""
        console.print(f"{step}: {done:,} of {total:,} in {seconds:,.0f} s{left}", highlight=False, soft_wrap=True)

    return advance
