"""How often weak labels are right, as far as the links that people made can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from model.evaluation.corpus import GoldMention, LabelledDocument
from model.fitting.pages import PageCounts, page_of
from model.protocols import CandidateSource, EntityStore
from model.training.weak_labels import TRUE_KINDS, Rule, WeakLabel, WeakLabeller


@dataclass(slots=True)
class Judgement:
    """What became of the weak labels of documents whose true mentions were hidden.

    Attributes:
        given: by rule, all of these labels.
        judged: by rule, labels whose span is exactly that of a hidden mention.
        right: by rule, those of them that name its entity.
        crossing: by rule, labels that overlap a hidden mention and have other edges.
    """

    given: Counter[Rule] = field(default_factory=Counter)
    judged: Counter[Rule] = field(default_factory=Counter)
    right: Counter[Rule] = field(default_factory=Counter)
    crossing: Counter[Rule] = field(default_factory=Counter)

    def precision(self, rule: Rule) -> float | None:
        """Return the share that is right, None where no label could be judged."""
        return self.right[rule] / self.judged[rule] if self.judged[rule] else None


class Judge:
    """Hides the true mentions of documents, labels them again, and compares.

    Words that are labelled because they are linked elsewhere in the document are judged with the first link of all
    words shown, and the others hidden.

    Pages do not link to themselves. So where a hidden link has the words of the page's own name, it mostly names
    another entity, and the share of those that agree says little; how many are contradicted of all that were given
    says more.

    A name that the knowledge base knows from the document's own links alone is not judged: it would be right by
    construction. What other parts of the page taught stays in, so that over documents from which the counts come the
    estimate is a little too good.
    """

    def __init__(self, labeller: WeakLabeller, source: CandidateSource, store: EntityStore) -> None:
        self._labeller = labeller
        self._source = source
        self._store = store

    def judge(self, documents: Iterable[LabelledDocument]) -> Judgement:
        """Return what became of the weak labels of all documents."""
        result = Judgement()
        for document in documents:
            true = [mention for mention in document.mentions if mention.kind in TRUE_KINDS]
            self._compare(document, true, result, repeats=False)
            self._compare(document, _later(document, true), result, repeats=True)
        return result

    def _compare(
        self, document: LabelledDocument, hidden: list[GoldMention], result: Judgement, *, repeats: bool
    ) -> None:
        keys = {mention.key: mention for mention in hidden}
        shown = tuple(mention for mention in document.mentions if keys.get(mention.key) is not mention)
        for label in self._labeller.label(replace(document, mentions=shown)):
            if (label.rule is Rule.REPEAT) is not repeats:
                continue
            result.given[label.rule] += 1
            mention = keys.get((label.start, label.end))
            if mention is None:
                result.crossing[label.rule] += any(m.start < label.end and label.start < m.end for m in hidden)
            elif repeats or not self._taught_itself(document, label):
                result.judged[label.rule] += 1
                result.right[label.rule] += mention.entity == label.entity

    def _taught_itself(self, document: LabelledDocument, label: WeakLabel) -> bool:
        row = self._source.alias_row(document.text[label.start : label.end])
        ordinal = self._store.ordinal(label.entity)
        if row < 0 or ordinal is None:
            return False
        page = page_of(document.id)
        counts = PageCounts(self._source, self._store, {page})
        counts.add([document])
        return ordinal not in counts.without(page)(row, *self._source.bearers(row))[0].tolist()


def _later(document: LabelledDocument, true: list[GoldMention]) -> list[GoldMention]:
    """Return the true mentions whose words were a true mention before in the document."""
    seen: set[str] = set()
    later = []
    for mention in sorted(true, key=lambda mention: mention.key):
        surface = document.text[mention.start : mention.end]
        if surface in seen:
            later.append(mention)
        seen.add(surface)
    return later
