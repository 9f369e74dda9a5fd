"""What goes into the disambiguator and what comes out. Offsets are Unicode code points, end exclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FoundBy = Literal["alias", "fuzzy", "dense"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text to link.

    Attributes:
        mentions: the spans to resolve, honoured exactly and answered in their order; None asks for detection.
    """

    id: str
    text: str
    mentions: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What a caller may choose.

    Attributes:
        types: only entities of these types (or of types below them) are answered; empty means all.
        min_confidence: links below it are left out (detected mentions) or answered as NIL (given mentions).
        max_candidates: how many candidates each mention lists, best first; 0 to 30.
    """

    types: frozenset[str] = frozenset()
    min_confidence: float = 0.0
    max_candidates: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity that a mention may mean.

    Attributes:
        score: the raw number that ranks candidates; larger is better, comparable within one mention only.
        confidence: calibrated probability that the mention means this entity.
        features: what each feature added to `score`.
    """

    entity: str
    score: float
    confidence: float
    found_by: tuple[FoundBy, ...]
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A mention with its answer.

    Attributes:
        mention_score: probability that the span names an entity at all; 1.0 for given mentions.
        entity: id of the entity, or None for NIL.
        confidence: calibrated probability that the link is right: that a found span is a mention, and that it means
            `entity`. For NIL, that it is NIL.
        nil_probability: probability that the entity is not in the KB.
        candidates: best first; as many as were asked for.
    """

    start: int
    end: int
    text: str
    mention_score: float
    entity: str | None
    confidence: float
    nil_probability: float
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkedDocument:
    """A document's links in text order, or in the order of the given mentions."""

    id: str
    links: tuple[Link, ...]
    kb_version: int
    model_version: str
