"""Names made ambiguous: "Abraham Lincoln went home" becomes "Lincoln went home", and still means the same person.

Most links in a text are by full names, which one look into the knowledge base resolves. Shorter ones teach a model to
read the context (a kind of data augmentation by entity names; the opposite way of Bootleg's weak labels, Orr et al.,
2020, which find short names that are there).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from model.evaluation.corpus import NEUTRAL_KINDS, GoldMention, LabelledDocument
from model.protocols import CandidateSource, EntityStore
from model.types import Span

LONGEST = 12  # words of a name of which parts are looked up


def substitute(
    document: LabelledDocument,
    source: CandidateSource,
    store: EntityStore,
    rate: float,
    random: np.random.Generator,
) -> LabelledDocument:
    """Return a document in which full, unambiguous names give way to shorter, ambiguous ones of the same entity.

    A mention can change if its words are the name of its entity and of no other, it touches no other mention, and the
    entity has an ambiguous name that is a part of these words ("Lincoln") or their initials ("NBA"): only those can
    be written as a text would write them, since names are kept without case. One is drawn, in proportion to how often
    it named the entity. All other text stays, and all offsets move with it.

    Args:
        document: mentions with `entity` None or of a neutral kind stay as they are.
        source: finds names.
        store: finds entities.
        rate: share of the mentions that can change which do (0 to 1).
        random: the same generator state gives the same document.
    """
    words: dict[int, str] = {}
    for number, mention in enumerate(document.mentions):
        if not _alone(document, mention):
            continue
        shorter = _shorter(document.text[mention.start : mention.end], mention.entity, source, store)
        if shorter and random.random() < rate:
            weights = np.array([count + 1 for _, count in shorter], dtype=np.float64)
            words[number] = shorter[int(random.choice(len(shorter), p=weights / weights.sum()))][0]
    return _rewritten(document, words) if words else document


def ambiguous_parts(surface: str, ordinal: int, source: CandidateSource) -> list[tuple[str, int]]:
    """Return ambiguous names of an entity that are a part of `surface` or its initials, with how often each named it.

    A name is ambiguous if two entities or more bear it.
    """
    words = surface.split()
    if not 1 < len(words) <= LONGEST:
        return []
    parts = [words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
    forms = dict.fromkeys(" ".join(part).strip(",;:") for part in parts if len(part) < len(words))
    forms[_initials(words)] = None
    found: list[tuple[str, int]] = []
    for form in forms:
        # A year or a letter says too little: nobody could tell what "1950" of "1950 World Championship" means.
        telling = len(form) > 1 and any(character.isalpha() for character in form)
        row = source.alias_row(form) if telling else -1
        if row < 0:
            continue
        ordinals, counts = source.bearers(row)
        here = np.flatnonzero(ordinals == ordinal)
        if len(ordinals) > 1 and len(here):
            found.append((form, int(counts[here[0]])))
    return found


def _initials(words: Sequence[str]) -> str:
    return "".join(word[0] for word in words if word[0].isupper())


def _shorter(surface: str, entity: str | None, source: CandidateSource, store: EntityStore) -> list[tuple[str, int]]:
    """Return the names that can stand for a full name; none where `surface` is not one."""
    ordinal = None if entity is None else store.ordinal(entity)
    row = source.alias_row(surface)
    if ordinal is None or row < 0 or source.bearers(row)[0].tolist() != [ordinal]:
        return []
    return ambiguous_parts(surface, ordinal, source)


def _alone(document: LabelledDocument, mention: GoldMention) -> bool:
    """Tell whether nothing else is said of a mention's words."""
    area = document.evaluation_span
    if mention.kind in NEUTRAL_KINDS or (area and not document.covers(mention.start, mention.end)):
        return False
    return sum(other.start < mention.end and mention.start < other.end for other in document.mentions) == 1


def _rewritten(document: LabelledDocument, words: dict[int, str]) -> LabelledDocument:
    """Put other words in the places of mentions, which overlap nothing."""
    changes = sorted((document.mentions[number].key, form) for number, form in words.items())
    text: list[str] = []
    done = 0
    for (start, end), form in changes:
        text += [document.text[done:start], form]
        done = end

    def moved(offset: int) -> int:
        """Return where an offset that is in none of the changed places is now, or at an edge of one."""
        return offset + sum(len(form) - (end - start) for (start, end), form in changes if end <= offset)

    mentions = tuple(replace(m, start=moved(m.start), end=moved(m.end)) for m in document.mentions)
    area = document.evaluation_span
    return replace(
        document,
        text="".join([*text, document.text[done:]]),
        mentions=mentions,
        evaluation_span=Span(moved(area.start), moved(area.end)) if area else None,
    )
