"""From scores to links: what is answered, with which confidence, and beside which candidates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from model.candidates import found_by
from model.link_evidence import LinkEvidence
from model.prepared import Prepared
from model.protocols import EntityStore, FloatArray
from model.scorer import Scorer, Scores, probabilities
from model.types import Candidate, Link, LinkOptions

Rows = npt.NDArray[np.intp]

EVEN = 0.5  # a found mention that is no link is told as NIL if it is likelier a mention than not, and so is NIL


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
        other = np.zeros_like(nil)
        if options.types:
            kept = store.has_type(table.ordinal, store.type_rows(sorted(options.types)))
            # What means an entity of another type means none of those that were asked for.
            other[:] = np.bincount(table.mention, probability * ~kept, minlength=table.mentions)
            nil = np.minimum(nil + other, 1)
            ranked = ranked[kept[ranked]]
        confidence = scorer.calibrate(probability)
        bounds = np.searchsorted(table.mention[ranked], np.arange(table.mentions + 1))
        some = np.flatnonzero(bounds[1:] > bounds[:-1])
        sure = np.zeros(table.mentions, dtype=np.float32)
        sure[some] = self._sure(some, ranked[bounds[some]], confidence, nil)
        # Lists: numbers are taken out of them one by one.
        self._sure_of: list[float] = sure.tolist()
        self._confidence: list[float] = confidence.tolist()
        self._nil: list[float] = nil.tolist()
        self._other: list[float] = other.tolist()
        self._ranked: list[int] = ranked.tolist()
        self._bounds: list[int] = bounds.tolist()

    def _sure(self, mention: Rows, best: Rows, confidence: FloatArray, nil: FloatArray) -> FloatArray:
        """Return how sure it is of mentions that they mean their best candidates.

        That is the candidates' confidence where the mentions are given. Of those that were found, it has to be asked
        whether they are mentions, too.
        """
        documents = self._prepared.documents
        found = np.repeat([each.order is None for each in documents], [len(each.spans.starts) for each in documents])
        sure = confidence[best]
        at = np.flatnonzero(found[mention])
        if len(at):
            evidence = LinkEvidence.of(self._prepared, mention[at], best[at], confidence, nil)
            sure[at] = self._scorer.link_confidence(evidence)
        return sure

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
        nil, sure, options = self._nil[index], self._sure_of[index], self._options
        other_type = bool(rows) and self._other[index] > self._confidence[rows[0]]
        missing = not rows or other_type or (given and nil > self._scorer.nil_threshold)
        linked = not missing and sure >= max(options.min_confidence, 0.0 if given else self._scorer.threshold)
        asked_for_some = options.min_confidence > 0 or bool(options.types)
        if not given and not linked and (asked_for_some or mention_score < EVEN or nil < EVEN):
            return None
        return Link(
            start=start,
            end=end,
            text=self._prepared.surfaces[index],
            mention_score=mention_score,
            entity=self._entity(rows[0]) if linked else None,
            confidence=sure if linked else max(nil, 1.0 - sure) if given else nil,
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
