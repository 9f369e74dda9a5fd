"""Names made ambiguous: "Abraham Lincoln went home" becomes "Lincoln went home", and still means the same person.

Most links in a text are by full names, which one look into the knowledge base resolves. Shorter ones teach a model to
read the context (a kind of data augmentation by entity names; the opposite way of Bootleg's weak labels, Orr et al.,
2020, which find short names that are there).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from model.evaluation.corpus import NEUTRAL_KINDS, GoldMention, LabelledDocument, stable_hash
from model.short_forms import initials
from model.types import Span

LONGEST = 12  # words of a name of which parts are looked up
LONGEST_BEFORE_LAST = 4  # words of a name that may be called by its last one
BRACKET = re.compile(r" \([^()]*\)$")  # "Mercury (planet)" ends with no name


class Names:
    """Who bears which name.

    Attributes:
        ordinals: of the entities, in the order in which they came.
    """

    def __init__(self) -> None:
        self.ordinals: dict[str, int] = {}
        self._bearers: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._popularity: list[int] = []
        self._last: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, entity: str, title: str, names: Iterable[tuple[str, int]]) -> None:
        """Take the next entity: its id, its title, and its aliases with their counts."""
        ordinal = self.ordinals[entity] = len(self._popularity)
        total = 0
        for name, count in ((title, 0), *names):
            bearers = self._bearers[name.lower()]
            bearers[ordinal] = bearers.get(ordinal, 0) + count
            total += count
        self._popularity.append(total)
        words = BRACKET.sub("", title).split()
        if len(words) > 1:
            self._last[words[-1].lower()].append(ordinal)

    def others(self, name: str, entity: int, most: int) -> list[int]:
        """Return entities that bear a name beside one, the most frequent first; of a last word, the most popular."""
        bearers: Mapping[int, int] = self._bearers.get(name.lower(), {})
        if entity not in bearers and name.lower() in self._last:
            bearers = {**{ordinal: self._popularity[ordinal] for ordinal in self._last[name.lower()]}, **bearers}
        ranked = sorted(bearers, key=lambda ordinal: (-bearers[ordinal], ordinal))
        return [ordinal for ordinal in ranked[: most + 1] if ordinal != entity][:most]

    def shorter(self, surface: str, entity: int) -> list[str]:
        """Return ambiguous words that can stand for a full name of an entity; none where `surface` is not one.

        Those are names of the entity that are a part of `surface` or its initials and that another entity bears, too;
        and its last word, where titles of other entities end with it ("Langer" of "Bernhard Langer").
        """
        words = surface.split()
        if not 1 < len(words) <= LONGEST or entity not in self._bearers.get(surface.lower(), {}):
            return []
        parts = [words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
        forms = dict.fromkeys(" ".join(part).strip(",;:") for part in parts if len(part) < len(words))
        forms[initials(surface)] = None
        found = [form for form in forms if _says_something(form) and self._is_shared(form, entity)]
        last = words[-1]
        if last not in found and _may_be_called_by_last(words) and len(self._last.get(last.lower(), ())) > 1:
            found.append(last)
        return found

    def _is_shared(self, name: str, entity: int) -> bool:
        bearers = self._bearers.get(name.lower(), {})
        return len(bearers) > 1 and entity in bearers


def substitute(document: LabelledDocument, names: Names, rate: float, seed: int) -> LabelledDocument:
    """Return a document in which full names give way to shorter, ambiguous ones of the same entity.

    A mention can change if its words are a name of its entity, it touches no other mention, and there are words that
    can stand for it (`Names.shorter`), of which one is drawn. All other text stays, and all offsets move with it.

    Args:
        document: mentions with `entity` None or of a neutral kind stay as they are.
        rate: share of the mentions that can change which do (0 to 1).
        seed: it and the document's id decide what is drawn.
    """
    random = np.random.default_rng(int.from_bytes(stable_hash(seed, "substitution", document.id), "big"))
    words: dict[int, str] = {}
    for number, mention in enumerate(document.mentions):
        entity = names.ordinals.get(mention.entity or "")
        if entity is None or random.random() >= rate or not _alone(document, mention):
            continue
        shorter = names.shorter(document.text[mention.start : mention.end], entity)
        if shorter:
            words[number] = shorter[int(random.integers(len(shorter)))]
    return _rewritten(document, words) if words else document


def _says_something(form: str) -> bool:
    """Leave out years and letters: nobody could tell what "1950" of "1950 World Championship" means."""
    return len(form) > 1 and any(character.isalpha() for character in form)


def _may_be_called_by_last(words: Sequence[str]) -> bool:
    """Take names like "Bernhard Langer" and "Manchester United", no titles of works or lists of places."""
    return (
        len(words) <= LONGEST_BEFORE_LAST
        and len(words[-1]) > 2
        and all(word[0].isupper() and word.replace("-", "").replace(".", "").isalpha() for word in words)
    )


def _alone(document: LabelledDocument, mention: GoldMention) -> bool:
    """Tell whether nothing else is said of a mention's words."""
    area = document.evaluation_span
    if mention.kind in NEUTRAL_KINDS or (area and not document.covers(mention.start, mention.end)):
        return False
    return sum(other.start < mention.end and mention.start < other.end for other in document.mentions) == 1


def _rewritten(document: LabelledDocument, words: Mapping[int, str]) -> LabelledDocument:
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
