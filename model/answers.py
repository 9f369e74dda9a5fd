"""From scores to links: what is answered, with which confidence, and beside which candidates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from model.candidates import found_by
from model.prepared import Prepared
from model.protocols import EntityStore
from model.scorer import Scorer, Scores, probabilities
from model.types import Candidate, Link, LinkOptions


class Answers:
    """The answers for the mentions of some documents."""

    def __init__(
        self, prepared: Prepared, scores: Scores, options: LinkOptions, scorer: Scorer, store: EntityStore
    ) -> None:
        self._prepared = prepared
        self._scores = scores
        self._options = options
        self._scorer = scorer
        self._store = store
        table = prepared.table
        probability, nil = probabilities(table.mention, scores)
        ranked = np.lexsort((-scores.raw, table.mention))
        if options.types:
            kept = store.has_type(table.ordinal, store.type_rows(sorted(options.types)))
            # What means an entity of another type means none of those that were asked for.
            nil = np.maximum(1 - np.bincount(table.mention, probability * kept, minlength=table.mentions), 0)
            ranked = ranked[kept[ranked]]
        # Lists: numbers are taken out of them one by one.
        self._confidence: list[float] = scorer.calibrate(probability).tolist()
        self._nil: list[float] = nil.tolist()
        self._ranked: list[int] = ranked.tolist()
        self._bounds: list[int] = np.searchsorted(table.mention[ranked], np.arange(table.mentions + 1)).tolist()

    def of_documents(self) -> Iterator[tuple[Link, ...]]:
        """Yield the links of each document: the given mentions' in their order, else what was found in text order."""
        first = 0
        for each in self._prepared.documents:
            given = each.order is not None
            spans = zip(each.spans.starts.tolist(), each.spans.ends.tolist(), each.spans.scores.tolist(), strict=True)
            links = [
                self._link(first + at, start, end, 1.0 if given else score, given)
                for at, (start, end, score) in enumerate(spans)
            ]
            first += len(links)
            if each.order is not None:
                placed = dict(zip(each.order, links, strict=True))
                links = [placed[position] for position in range(len(links))]
            yield tuple(link for link in links if link is not None)

    def _link(self, index: int, start: int, end: int, mention_score: float, given: bool) -> Link | None:
        rows = self._ranked[self._bounds[index] : self._bounds[index + 1]]
        nil, options = self._nil[index], self._options
        sure = self._confidence[rows[0]] if rows else 0.0
        nil_wins = not rows or nil > self._scorer.nil_threshold or (bool(options.types) and nil > sure)
        unsure = sure < options.min_confidence or (not given and mention_score * sure < self._scorer.threshold)
        nobody_asked = mention_score < 0.5 or options.min_confidence > 0 or bool(options.types)
        if not given and (nobody_asked if nil_wins else unsure):
            return None
        linked = not nil_wins and not unsure
        return Link(
            start=start,
            end=end,
            text=self._prepared.surfaces[index],
            mention_score=mention_score,
            entity=self._entity(rows[0]) if linked else None,
            confidence=sure if linked else max(nil, 1.0 - sure),
            nil_probability=nil,
            candidates=tuple(self._candidate(row) for row in rows[: options.max_candidates]),
        )

    def _entity(self, row: int) -> str:
        return self._store.entity_id(int(self._prepared.table.ordinal[row]))

    def _candidate(self, row: int) -> Candidate:
        scores = self._scores
        contributions = (
            {}
            if scores.contributions is None
            else {
                name: round(value, 4)
                for name, value in zip(scores.names, scores.contributions[row].tolist(), strict=True)
                if value
            }
        )
        return Candidate(
            entity=self._entity(row),
            score=float(scores.raw[row]),
            confidence=self._confidence[row],
            found_by=found_by(int(self._prepared.table.found[row])),
            features=contributions,
        )
