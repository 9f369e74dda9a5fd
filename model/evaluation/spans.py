"""Finding overlapping spans without comparing every pair."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, Protocol, TypeVar


class HasSpan(Protocol):
    """Anything with a start and an end."""

    @property
    def start(self) -> int:
        """The first code point."""
        ...

    @property
    def end(self) -> int:
        """One past the last code point."""
        ...


T = TypeVar("T", bound=HasSpan)


class SpanIndex(Generic[T]):
    """Spans, which may nest and overlap, that can be asked what shares a character with a stretch of text."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = sorted(items, key=lambda item: (item.start, item.end))
        self._starts = [item.start for item in self._items]
        # The greatest end so far never falls, so whatever precedes the first one beyond a start ends too early.
        self._reach = list(accumulate((item.end for item in self._items), max))

    def overlapping(self, start: int, end: int) -> list[T]:
        """Return what shares a character with [start, end), in text order."""
        first, last = bisect_right(self._reach, start), bisect_left(self._starts, end)
        return [item for item in self._items[first:last] if item.end > start]

    def closest(self, start: int, end: int) -> T | None:
        """Return what shares most characters with [start, end), the first of equals; None where nothing does."""
        touched = self.overlapping(start, end)
        return max(touched, key=lambda item: min(item.end, end) - max(item.start, start), default=None)
