"""What an evaluation found, as plain data. Field names are the keys of `--json`; docs/evaluation.md explains each.

A field is added, never renamed, within one `schema_version`, so that results of two versions can be compared.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from model.evaluation.corpus import Selection
from model.evaluation.scores import Interval, SystemScores

SCHEMA_VERSION = 1

Mode = Literal["d2kb", "a2kb"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`system` minus `baseline` on the same documents, with a paired bootstrap."""

    metric: Literal["accuracy", "f1"]
    system: str
    baseline: str
    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True, slots=True)
class GoldCounts:
    """What the gold of a group holds; `out_of_kb` counts mentions without an entity or with one that the KB lacks."""

    documents: int
    mentions: int
    counting: int
    in_kb: int
    out_of_kb: int
    neutral: int
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """The documents of one source, or all of them."""

    name: str
    gold: GoldCounts
    partial_annotation: bool
    notes: tuple[str, ...]
    systems: dict[str, SystemScores]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """How an evaluation is run.

    Attributes:
        min_confidence: given to the linkers; links below it are left out.
        max_candidates: how many candidates a mention lists.
        resamples, seed: of the bootstrap; the seed also chooses the error examples.
        examples: error examples kept of each category.
    """

    min_confidence: float = 0.0
    max_candidates: int = 30
    resamples: int = 1000
    seed: int = 0
    examples: int = 10


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The whole result.

    Attributes:
        groups: one a source, in alphabetical order; with several sources, the last one is all documents together.
        benchmarks, selection: file names, and what was taken of them.
    """

    mode: Mode
    settings: Settings
    groups: tuple[Group, ...]
    benchmarks: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    schema_version: int = SCHEMA_VERSION

    @property
    def together(self) -> Group:
        """All documents."""
        return self.groups[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        return asdict(self)
