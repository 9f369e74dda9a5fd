"""Results of benchmarks: collected one by one, shown as one table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        what: what was measured, and over what.
        value, unit: the result.
        target: what it should be, such as ">= 0.60"; empty for results that are for information only.
        of: what the result was made of: the numbers of subject and reference.
    """

    what: str
    value: float
    unit: str
    target: str = ""
    of: str = ""

    @property
    def verdict(self) -> str:
        """Whether the target is met, in words."""
        if not self.target:
            return ""
        sign, _, limit = self.target.partition(" ")
        met = self.value >= float(limit) if sign == ">=" else self.value <= float(limit)
        return "met" if met else "MISSED"


class Results:
    """What one benchmark found."""

    def __init__(self, benchmark: Any, collected: list[Result]) -> None:
        self._benchmark = benchmark
        self._collected = collected

    def add(self, what: str, value: float, unit: str, target: str = "", of: str = "") -> None:
        """Put a result into the table and into the JSON file."""
        result = Result(what, value, unit, target, of)
        self._collected.append(result)
        self._benchmark.extra_info[what] = asdict(result) | {"verdict": result.verdict}


@dataclass(frozen=True)
class Rounds:
    """Seconds of reference and subject, which took turns."""

    reference: list[float]
    subject: list[float]

    @property
    def ratio(self) -> float:
        """The median over the rounds of subject by reference: 2.0 where the subject takes twice as long."""
        return statistics.median(mine / theirs for theirs, mine in zip(self.reference, self.subject, strict=True))


def take_turns(
    benchmark: Any, reference: Callable[[], object], subject: Callable[[], object], rounds: int = 5
) -> Rounds:
    """Run both, in turns, so that a machine that is busy now and then is busy for both; once before, unmeasured."""
    reference()
    subject()
    seconds: list[float] = []

    def before() -> None:
        seconds.append(timed(reference))

    benchmark.pedantic(subject, setup=before, rounds=rounds, iterations=1)
    return Rounds(seconds[-rounds:], list(benchmark.stats.stats.data)[-rounds:])


def measure_turns(reference: Callable[[], object], subject: Callable[[], object], rounds: int = 3) -> Rounds:
    """Run both in turns, as `take_turns` does, beside the benchmark's own times."""
    pairs = [(timed(reference), timed(subject)) for _ in range(rounds)]
    return Rounds([theirs for theirs, _ in pairs], [mine for _, mine in pairs])


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(results: Sequence[Result]) -> list[str]:
    """Return the lines of the table."""
    head = ("what", "result", "", "target", "", "made of")
    rows = [(r.what, _number(r.value), r.unit, r.target, r.verdict, r.of) for r in results]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(w) if column == 1 else cell.ljust(w)
            for column, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
