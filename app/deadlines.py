"""How long an answer is waited for."""

from __future__ import annotations

import time

from app.errors import ProblemError
from app.schemas.problem import FieldProblem


class Deadline:
    """A moment after which an answer is of no use any more.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; 0 once it has passed."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raise `passed` once it has passed."""
        if time.monotonic() > self._ends:
            raise self.passed()

    def passed(self) -> ProblemError:
        """Return the problem to answer with."""
        detail = f"no answer within {self.seconds:g} seconds"
        remedy = (
            "try again in a second, send less text at once, or grant more seconds: X-Timeout, NAMESAKE_LINK_SECONDS"
        )
        error = FieldProblem(field="request", detail=detail, remedy=remedy)
        return ProblemError("deadline-passed", [error], headers={"Retry-After": "1"})
