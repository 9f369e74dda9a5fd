"""Collects judged documents by source and altogether while they stream by, and scores them at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from model.evaluation.corpus import PARTIAL_KINDS, LabelledDocument
from model.evaluation.errors import ErrorCollector
from model.evaluation.judging import Judgement
from model.evaluation.results import GoldCounts, Group, Mode, Settings
from model.evaluation.scoring import SystemRun, score_systems

ALL = "all"

PARTIAL_NOTE = (
    "Not every name is annotated here: links to names that nobody marked count as wrong, "
    "so precision and F1 of a2kb are lower bounds."
)
KB_NOTE = "{count} gold mentions name an entity that this KB does not have; they count as gold outside the KB."
EMPTY_NOTE = "No gold mention has its entity in this KB: accuracy and recall say nothing."
MOVED_NOTE = "The knowledge base changed while this was evaluated: {versions}."


@dataclass(slots=True)
class _Gold:
    """Counts of what a group's gold holds."""

    documents: int = 0
    mentions: int = 0
    counting: int = 0
    in_kb: int = 0
    unknown: int = 0
    neutral: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, document: LabelledDocument, contains: Callable[[str], bool]) -> None:
        counting = document.counting()
        known = [contains(m.entity) for m in counting if m.entity is not None]
        self.documents += 1
        self.mentions += len(document.mentions)
        self.counting += len(counting)
        self.in_kb += sum(known)
        self.unknown += len(known) - sum(known)
        self.neutral += len(document.neutral())
        self.kinds.update(m.kind for m in document.mentions)

    def counts(self) -> GoldCounts:
        kinds = {kind: self.kinds[kind] for kind in sorted(self.kinds)}
        outside = self.counting - self.in_kb
        return GoldCounts(self.documents, self.mentions, self.counting, self.in_kb, outside, self.neutral, kinds)


@dataclass(slots=True)
class _Bucket:
    """What has been collected of one group so far."""

    gold: _Gold = field(default_factory=_Gold)
    judgements: dict[str, list[Judgement]] = field(default_factory=dict)
    errors: dict[str, ErrorCollector] = field(default_factory=dict)


class GroupCollector:
    """Sorts documents and their judgements into groups."""

    def __init__(self, mode: Mode, settings: Settings) -> None:
        self._mode = mode
        self._settings = settings
        self._together = _Bucket()
        self._sources: dict[str, _Bucket] = {}
        self._model_versions: dict[str, str] = {}
        self._kb_versions: dict[str, set[int]] = {}

    def add_gold(self, document: LabelledDocument, contains: Callable[[str], bool]) -> None:
        """Count a document's gold."""
        for bucket in self._buckets(document):
            bucket.gold.add(document, contains)

    def add_judgement(self, system: str, document: LabelledDocument, judgement: Judgement) -> None:
        """Take in what a system did on a document."""
        # Errors hold whole answers with their candidates; once counted and sampled, they can go.
        slim = replace(judgement, errors=())
        for bucket in self._buckets(document):
            if system not in bucket.errors:
                bucket.errors[system] = ErrorCollector(self._settings.examples, self._settings.seed)
            bucket.errors[system].add(document, judgement.errors)
            bucket.judgements.setdefault(system, []).append(slim)

    def add_versions(self, system: str, model_version: str, kb_version: int) -> None:
        """Note with which model and KB a system answered."""
        self._model_versions[system] = model_version
        self._kb_versions.setdefault(system, set()).add(kb_version)

    def groups(self) -> tuple[Group, ...]:
        """Score every source, and all documents together where there are several."""
        groups = [self._group(name, bucket) for name, bucket in sorted(self._sources.items())]
        if len(groups) > 1:
            groups.append(self._group(ALL, self._together))
        return tuple(groups)

    def _buckets(self, document: LabelledDocument) -> tuple[_Bucket, _Bucket]:
        return self._sources.setdefault(document.source, _Bucket()), self._together

    def _group(self, name: str, bucket: _Bucket) -> Group:
        # In a fixed order, so that the bootstrap draws the same documents whatever the order of the files.
        runs = {
            system: SystemRun(
                sorted(judgements, key=lambda judgement: judgement.id),
                bucket.errors[system].result(),
                self._model_versions[system],
                max(self._kb_versions[system]),
            )
            for system, judgements in bucket.judgements.items()
        }
        scores, comparisons = score_systems(runs, self._mode, self._settings.resamples, self._settings.seed)
        partial = any(bucket.gold.kinds[kind] for kind in PARTIAL_KINDS)
        notes = tuple(self._notes(bucket, partial))
        return Group(name, bucket.gold.counts(), partial, notes, scores, comparisons)

    def _notes(self, bucket: _Bucket, partial: bool) -> list[str]:
        notes = [PARTIAL_NOTE] if partial and self._mode == "a2kb" else []
        if bucket.gold.unknown:
            notes.append(KB_NOTE.format(count=bucket.gold.unknown))
        if not bucket.gold.in_kb:
            notes.append(EMPTY_NOTE)
        versions = set().union(*self._kb_versions.values())
        if len(versions) > 1:
            notes.append(MOVED_NOTE.format(versions=f"kb_version {min(versions)} to {max(versions)}"))
        return notes
