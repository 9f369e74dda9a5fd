"""Which gold a link answers, and whether it is right: the rules, for one document.

Strong match, InKB, as in GERBIL (Usbeck et al., 2015): a link is right where its span equals a gold span and its entity
is the gold entity; gold whose entity the KB lacks is nothing to be found, but linking it is wrong. Of the links that
lie wholly inside `evaluation_span`:

1. span equals a counting gold span: judged against that gold;
2. else span equals a neutral gold span (nested, optional, coref): ignored;
3. else it overlaps counting gold: wrong. A wrong span where some of that gold is in the KB, else a false link;
4. else it overlaps neutral gold: ignored;
5. else: wrong, a false link.

Links outside the evaluation span, or across its edge, are ignored. Identical answers count once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from model.evaluation.corpus import GoldMention, LabelledDocument
from model.evaluation.errors import ErrorCase, Verdicts, answer_rank, find_errors
from model.evaluation.spans import SpanIndex
from model.types import FoundBy, Link


@dataclass(frozen=True, slots=True)
class Target:
    """In-KB gold and what became of it.

    Attributes:
        answered: an answer has exactly this span.
        rank: of the gold entity among that answer's candidates, from 1; None where it is not among them.
        count: how often the entity was linked in training.
    """

    count: int
    answered: bool
    correct: bool
    rank: int | None = None
    candidates: int = 0
    found_by: tuple[FoundBy, ...] = ()

    @property
    def ambiguous(self) -> bool:
        """The gold is one of at least two candidates (Orr et al., 2020)."""
        return self.rank is not None and self.candidates >= 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A judged answer: its confidence, whether it is right, and whether it is a link (not NIL)."""

    confidence: float
    correct: bool
    is_link: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """One document of one system, judged.

    Attributes:
        spans_right, spans_judged, spans_gold: for detection: exact spans, spans not ignored, counting gold.
        nil_right, nil_answered, nil_gold: NIL answers to gold outside the KB, NIL answers, gold outside the KB.
    """

    id: str
    targets: tuple[Target, ...]
    answers: tuple[Answer, ...]
    spans_right: int
    spans_judged: int
    spans_gold: int
    nil_right: int
    nil_answered: int
    nil_gold: int
    errors: tuple[ErrorCase, ...]

    @property
    def links_right(self) -> int:
        """True positives."""
        return sum(answer.correct for answer in self.answers if answer.is_link)

    @property
    def links_judged(self) -> int:
        """True and false positives."""
        return sum(answer.is_link for answer in self.answers)


def judge(
    document: LabelledDocument,
    links: Sequence[Link],
    contains: Callable[[str], bool],
    training_count: Callable[[str], int],
) -> Judgement:
    """Compare a system's answers for a document with its gold; see the module's rules."""
    counting = document.counting()
    in_kb = {m.key for m in counting if m.entity is not None and contains(m.entity)}
    inside = _distinct(link for link in links if document.covers(link.start, link.end))
    verdicts = _sort_out(inside, counting, document.neutral(), in_kb)
    targets = [
        _target(gold, verdicts.exact.get(gold.key, ()), training_count) for gold in counting if gold.key in in_kb
    ]
    answers = [
        Answer(link.confidence, link.entity == (gold.entity if gold.key in in_kb else None), link.entity is not None)
        for gold in counting
        for link in verdicts.exact.get(gold.key, ())
    ]
    astray = verdicts.wrong_span + verdicts.no_gold
    answers += [Answer(link.confidence, correct=False, is_link=link.entity is not None) for link in astray]
    return Judgement(
        document.id,
        tuple(targets),
        tuple(answers),
        spans_right=len(verdicts.exact),
        spans_judged=len(verdicts.exact) + len({(link.start, link.end) for link in astray}),
        spans_gold=len(counting),
        nil_right=sum(answer.correct and not answer.is_link for answer in answers),
        nil_answered=sum(not answer.is_link for answer in answers),
        nil_gold=len(counting) - len(in_kb),
        errors=tuple(find_errors(counting, in_kb, verdicts, inside)),
    )


def _distinct(links: Iterable[Link]) -> list[Link]:
    """Drop repeated answers (same span and entity), keeping the most confident; in text order, most confident first."""
    best: dict[tuple[int, int, str | None], Link] = {}
    for link in links:
        key = (link.start, link.end, link.entity)
        if key not in best or link.confidence > best[key].confidence:
            best[key] = link
    return sorted(best.values(), key=lambda link: (link.start, link.end, -link.confidence, link.entity or ""))


def _sort_out(
    answers: Sequence[Link],
    counting: Sequence[GoldMention],
    neutral: Sequence[GoldMention],
    in_kb: set[tuple[int, int]],
) -> Verdicts:
    """Apply rules 1 to 5."""
    verdicts = Verdicts({}, [], [])
    counting_keys, neutral_keys = {m.key for m in counting}, {m.key for m in neutral}
    counting_index, neutral_index = SpanIndex(counting), SpanIndex(neutral)
    for link in answers:
        key = (link.start, link.end)
        if key in counting_keys:
            verdicts.exact.setdefault(key, []).append(link)
        elif key in neutral_keys:
            continue
        elif touched := counting_index.overlapping(*key):
            (verdicts.wrong_span if any(gold.key in in_kb for gold in touched) else verdicts.no_gold).append(link)
        elif not neutral_index.overlapping(*key):
            verdicts.no_gold.append(link)
    return verdicts


def _target(gold: GoldMention, answers: Sequence[Link], training_count: Callable[[str], int]) -> Target:
    entity = gold.entity or ""  # targets are in the KB, so there is one
    count = training_count(entity)
    if not answers:
        return Target(count, answered=False, correct=False)
    # Answers are sorted by confidence. The right one speaks for the mention; else the most confident does.
    answer = next((link for link in answers if link.entity == entity), answers[0])
    rank = answer_rank(answer, entity)
    found_by = answer.candidates[rank - 1].found_by if rank else ()
    return Target(count, True, answer.entity == entity, rank, len(answer.candidates), found_by)
