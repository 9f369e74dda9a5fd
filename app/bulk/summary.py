"""What an annotated file holds: counts, how sure the answers are, and which entities are named most."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

BINS = 10
MOST_FREQUENT = 10
BAR = 40  # characters of the longest bar


def totals(documents: int, rejects: int, mentions: int, nil: int) -> str:
    """Say how many documents and mentions there were."""
    share = nil / mentions if mentions else 0.0
    return f"{documents:,} documents, {rejects:,} rejected; {mentions:,} mentions, {share:.1%} of them NIL"


class Summary:
    """Counts answers as they come."""

    def __init__(self) -> None:
        self.documents = self.mentions = self.nil = 0
        self.bins = [0] * BINS
        self.entities: Counter[str] = Counter()

    def add(self, lines: bytes) -> None:
        """Count the answers of some lines."""
        for line in lines.splitlines():
            self.documents += 1
            for mention in orjson.loads(line)["mentions"]:
                self._count(mention)

    def _count(self, mention: dict[str, Any]) -> None:
        self.mentions += 1
        if mention["entity"] is None:
            self.nil += 1
            return
        self.entities[mention["entity"]["id"]] += 1
        self.bins[min(int(mention["confidence"] * BINS), BINS - 1)] += 1

    def text(self, rejects: int) -> str:
        """Say it in a few lines."""
        lines = [totals(self.documents, rejects, self.mentions, self.nil)]
        longest = max(self.bins)
        if longest:
            lines.append("Confidence of links:")
            lines.extend(
                f"  {at / BINS:.1f} to {(at + 1) / BINS:.1f} {count:>9,} {'█' * round(BAR * count / longest)}"
                for at, count in enumerate(self.bins)
            )
            lines.append("Most frequent entities:")
            lines.extend(f"  {count:>9,} {entity}" for entity, count in self.entities.most_common(MOST_FREQUENT))
        return "\n".join(lines)
