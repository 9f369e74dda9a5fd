"""Error categories, and a fair sample of examples of each.

Every missed gold has one category, every wrong link has one, and the two sides of one mistake are one case:

* `not_detected`: no answer overlaps the gold.
* `wrong_span`: answers overlap the gold, none has its span; or a link overlaps in-KB gold with another span.
* `gold_not_among_candidates`: the span is right, and the gold entity was not among its candidates.
* `wrong_choice`: the span is right, the gold was among the candidates, another one or NIL was chosen.
* `false_link`: a link where nothing in the KB is meant (no gold, or gold outside the KB).

So the missed of all categories add up to the false negatives, and the wrong links to the false positives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from model.evaluation.corpus import GoldMention, LabelledDocument, stable_hash
from model.evaluation.scores import Category, ErrorCount, ErrorExample, Errors
from model.evaluation.spans import SpanIndex
from model.types import Link

CATEGORIES: tuple[Category, ...] = get_args(Category)
WINDOW = 90  # characters each side: enough to judge an error by eye, about two lines on a screen


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """A missed gold (`missed`), a wrong link (`wrong`), or both at once."""

    category: Category
    gold: GoldMention | None
    link: Link | None
    missed: bool
    wrong: bool


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Answers by what they met; NIL answers are among them.

    Attributes:
        exact: answers whose span is that of counting gold, by span; most confident first.
        wrong_span: answers that overlap counting gold of the KB with another span.
        no_gold: answers where nothing in the KB is meant and no gold has their span.
    """

    exact: dict[tuple[int, int], list[Link]]
    wrong_span: list[Link]
    no_gold: list[Link]


def find_errors(
    counting: Sequence[GoldMention], in_kb: set[tuple[int, int]], verdicts: Verdicts, answers: Sequence[Link]
) -> Iterator[ErrorCase]:
    """Name every missed gold once and every wrong link once; `answers` also holds those that were ignored."""
    linked, astray = SpanIndex(answers), SpanIndex(link for link in verdicts.wrong_span if link.entity is not None)
    paired: set[int] = set()
    for gold in counting:
        found = verdicts.exact.get(gold.key, [])
        if gold.key not in in_kb:
            yield from (ErrorCase("false_link", gold, link, False, True) for link in found if link.entity is not None)
        elif found:
            yield from _choice_errors(gold, found)
        else:
            link = astray.closest(*gold.key)
            wrong = link is not None and id(link) not in paired
            link = link or linked.closest(*gold.key)
            paired.add(id(link))
            yield ErrorCase("wrong_span" if link else "not_detected", gold, link, True, wrong)
    targets = SpanIndex(gold for gold in counting if gold.key in in_kb)
    for link in verdicts.wrong_span:
        if link.entity is not None and id(link) not in paired:
            yield ErrorCase("wrong_span", targets.closest(link.start, link.end), link, False, True)
    yield from (
        ErrorCase("false_link", None, link, False, True) for link in verdicts.no_gold if link.entity is not None
    )


def _choice_errors(gold: GoldMention, answers: Sequence[Link]) -> Iterator[ErrorCase]:
    """Judge the answers on an in-KB gold's own span; if none is right, the most confident stands for the miss."""
    missed = all(link.entity != gold.entity for link in answers)
    for link in answers:
        if link.entity == gold.entity:
            continue
        known = gold.entity is not None and answer_rank(link, gold.entity) is not None
        category: Category = "wrong_choice" if known else "gold_not_among_candidates"
        if missed or link.entity is not None:
            yield ErrorCase(category, gold, link, missed, link.entity is not None)
        missed = False


def answer_rank(link: Link, entity: str) -> int | None:
    """Return the place of an entity among an answer's candidates, from 1; None where it is not among them."""
    return next((rank for rank, c in enumerate(link.candidates, start=1) if c.entity == entity), None)


class ErrorCollector:
    """Counts errors as they stream by and keeps a random sample of each category.

    The sample is those with the smallest hash of document and span: the same whatever the order of documents, and the
    same from version to version as long as the error is, so that two reports can be laid side by side.
    """

    def __init__(self, examples: int, seed: int) -> None:
        self._size = examples
        self._seed = seed
        self._counts = {category: [0, 0, 0] for category in CATEGORIES}
        self._kept: dict[Category, list[tuple[bytes, ErrorExample]]] = {category: [] for category in CATEGORIES}

    def add(self, document: LabelledDocument, cases: Iterable[ErrorCase]) -> None:
        """Count a document's errors."""
        for case in cases:
            counts, kept = self._counts[case.category], self._kept[case.category]
            counts[0] += case.missed
            counts[1] += case.wrong
            counts[2] += case.missed and case.link is not None and case.link.entity is None
            place = case.gold or case.link
            assert place is not None  # noqa: S101 - a case without both sides is no case
            key = stable_hash(self._seed, document.id, place.start, place.end, case.link and case.link.entity)
            if len(kept) < self._size or (kept and key < kept[-1][0]):
                kept.append((key, _example(document, case)))
                kept.sort(key=lambda item: item[0])
                del kept[self._size :]

    def result(self) -> Errors:
        """Return counts and examples so far."""
        counts = {category: ErrorCount(*values) for category, values in self._counts.items()}
        return Errors(counts, tuple(example for kept in self._kept.values() for _, example in kept))


def _example(document: LabelledDocument, case: ErrorCase) -> ErrorExample:
    gold, link = case.gold, case.link
    sides = [side for side in (gold, link) if side is not None]
    start, end = _window(document.text, min(side.start for side in sides), max(side.end for side in sides))
    return ErrorExample(
        category=case.category,
        document=document.id,
        window=document.text[start:end],
        window_start=start,
        text_length=len(document.text),
        gold_span=(gold.start - start, gold.end - start) if gold else None,
        gold_entity=gold.entity if gold else None,
        predicted_span=(link.start - start, link.end - start) if link else None,
        predicted_entity=link.entity if link else None,
        confidence=link.confidence if link else None,
        gold_rank=answer_rank(link, gold.entity) if gold and gold.entity and link else None,
    )


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span to its surroundings, without cutting a word at either end where that can be helped."""
    low, high = max(0, start - WINDOW), min(len(text), end + WINDOW)
    if low:
        low = next((i + 1 for i in range(low, start) if text[i].isspace()), low)
    if high < len(text):
        high = next((i for i in range(high, end, -1) if text[i].isspace()), high)
    return low, high
