"""Following the knowledge base: what changed since the snapshot is read from the outbox and put beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy.orm import Session

from kb import queries
from kb.candidates import HalfArray, SnapshotSearch
from kb.index.aliases import Occurrences, entity_names
from kb.index.words import own_words, with_words_of
from kb.live.changed import ChangedEntity, Changes
from kb.live.entities import HUB
from kb.live.search import LiveSearch
from kb.lookups import entities_of_types, entity_labels, subjects_of
from kb.records import EntityRecord, TypeRecord
from kb.type_table import TypeTable
from kb.usage import CHANGE, usage_of

PAGE = 10_000  # changes read at a time
CORPUS_CHANGES = frozenset({"alias_occurrence", CHANGE})  # of a whole corpus at once
MOST_UNUSED = 20_000  # names and words that nothing has any more, before what stands beside the snapshot is made anew


class TextEncoder(Protocol):
    """What the live index needs of a model."""

    def title_text(self, entity_id: str, label: str) -> str:
        """Return the text of the title channel."""
        ...

    def embed(self, texts: Sequence[str]) -> HalfArray:
        """Return one unit vector a text (texts x 384)."""
        ...


class DeltaFull(RuntimeError):  # noqa: N818
    """More has changed than is held beside a snapshot: a new snapshot has to be built."""


class KbReplaced(RuntimeError):  # noqa: N818
    """The index is of a knowledge base that was deleted or put back to an earlier state: run `namesake index build`."""


class LiveIndex:
    """A snapshot and what changed since. One thread at a time may refresh it; what it gave before stays as it is.

    Args:
        base: the snapshot.
        encoder: makes the vectors of changed entities.
        most: how many changed entities are held.
        former: what answered before, with vectors of the same model: the first refresh takes them over from there.

    Attributes:
        search: answers as of the last refresh.
        outdated: whether something changed that only a new snapshot can hold: what a corpus says.
    """

    def __init__(
        self,
        base: SnapshotSearch,
        encoder: TextEncoder,
        most: int,
        former: SnapshotSearch | LiveSearch | None = None,
    ) -> None:
        self.base = base
        self._former = former
        self.outdated = False
        self._encoder = encoder
        self._most = most
        self._namespace = base.snapshot.manifest.namespace
        self._changes: dict[str, ChangedEntity | None] = {}
        self._types = base.types_known
        self._occurrences: dict[str, Occurrences] = {}
        self._version = base.kb_version
        self.search: SnapshotSearch | LiveSearch = base

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that `search` knows of."""
        return self._version

    @property
    def delta_size(self) -> int:
        """How many changed entities stand beside the snapshot."""
        return len(self._changes)

    def refresh(self, session: Session) -> bool:
        """Take in what changed since the last time; tell whether anything did.

        Args:
            session: sees the knowledge base at one moment; see `kb.database.snapshot_session`.

        Raises:
            DeltaFull: it is too much; `search` stays as it was.
            KbReplaced: the last change that `search` knows of is none of this knowledge base.
        """
        version, changed, types_changed = self._changed(session)
        if version == self._version:
            return False
        types = self._types
        if types_changed:
            types, renamed = self._read_types(session)
            typed = entities_of_types(session, self._namespace, renamed, HUB)
            self.outdated |= len(typed) > HUB  # too many entities have the former name among their words
            changed |= typed if len(typed) <= HUB else set()
        fresh = self._read(session, changed, types) if changed else {}
        occurrences = self._occurrences | self._read_occurrences(session, fresh.values())
        self.search = self._after(fresh, types, occurrences, version)
        self._changes.update(fresh)
        self._types, self._occurrences, self._version, self._former = types, occurrences, version, None
        return True

    def _changed(self, session: Session) -> tuple[int, set[str], bool]:
        """Return the last change's number, the ids of entities that changed, and whether a type did."""
        version, changed, types_changed = self._version, set[str](), False
        page = queries.changes_since(session, self._namespace, version - 1, PAGE)
        if not page or page[0].version != version:
            raise KbReplaced(KbReplaced.__doc__)
        while page:
            new = [change for change in page if change.version > self._version]
            changed.update(change.entity_id for change in new if change.entity_id is not None)
            types_changed |= any(change.kind == "type" for change in new)
            self.outdated |= any(change.kind in CORPUS_CHANGES for change in new)
            if len(changed | self._changes.keys()) > self._most:
                raise DeltaFull(DeltaFull.__doc__)
            version = page[-1].version
            page = queries.changes_since(session, self._namespace, version, PAGE) if len(page) == PAGE else []
        return version, changed, types_changed

    def _after(
        self, fresh: Changes, types: TypeTable, occurrences: Mapping[str, Occurrences], version: int
    ) -> LiveSearch:
        """Return what answers after further changes."""
        before = self.search if isinstance(self.search, LiveSearch) else LiveSearch(self.base)
        after = before.after(fresh, types, occurrences, version)
        if after.unused <= MOST_UNUSED:
            return after
        return LiveSearch(self.base).after({**self._changes, **fresh}, types, occurrences, version)

    def _read(self, session: Session, ids: set[str], types: TypeTable) -> dict[str, ChangedEntity | None]:
        """Read entities, and those whose words hold the name of one that is new, gone or called differently now."""
        records = {record.id: record for record in queries.read_entities(session, self._namespace, sorted(ids))}
        subjects = subjects_of(session, self._namespace, sorted(ids))
        dirty = {
            subject
            for key in ids
            if self._label(key) != (records[key].label if key in records else None)
            for subject in (subjects.get(key, ()) if len(subjects.get(key, ())) <= HUB else ())
        } - ids
        if dirty:
            more = queries.read_entities(session, self._namespace, sorted(dirty))
            records |= {record.id: record for record in more}
            subjects |= subjects_of(session, self._namespace, sorted(dirty))
        fresh: dict[str, ChangedEntity | None] = dict.fromkeys(ids | dirty)
        return fresh | self._encoded(session, records, subjects, types)

    def _label(self, entity: str) -> str | None:
        record = self.search.record(entity)
        return None if record is None else record.label

    def _encoded(
        self,
        session: Session,
        records: Mapping[str, EntityRecord],
        subjects: Mapping[str, tuple[str, ...]],
        types: TypeTable,
    ) -> dict[str, ChangedEntity]:
        objects = sorted({edge.object for record in records.values() for edge in record.relations})
        labels = entity_labels(session, self._namespace, objects)
        titles = {key: self._encoder.title_text(key, record.label) for key, record in records.items()}
        descriptions = {key: text for key, record in records.items() if (text := record.description or record.text)}
        vectors = self._vectors(records, titles, descriptions)
        model_version = self.base.snapshot.manifest.model_version
        usage = usage_of(session, self._namespace, model_version, sorted(records))
        used = {key: (usage.vectors[row], int(usage.links[row])) for row, key in enumerate(usage.ids)}
        return {
            key: ChangedEntity(
                record=_shown(record),
                names=entity_names(record.label, titles[key], ((a.text, a.count) for a in record.aliases)),
                title=vectors[titles[key]],
                description=vectors[descriptions[key]] if key in descriptions else None,
                usage=used[key][0] if key in used else None,
                usage_links=used[key][1] if key in used else 0,
                words=with_words_of(own_words(record), _names(record, labels, types)),
                objects=tuple([edge.object for edge in record.relations if edge.object in labels]),
                subjects=subjects.get(key, ()),
            )
            for key, record in records.items()
        }

    def _vectors(
        self, records: Mapping[str, EntityRecord], titles: Mapping[str, str], descriptions: Mapping[str, str]
    ) -> dict[str, HalfArray]:
        """Return the vector of each text; only those that an entity did not have before are encoded."""
        vectors: dict[str, HalfArray] = {}
        for search in [self.search] if self._former is None else [self.search, self._former]:
            for key, record in records.items():
                before, ordinal = search.record(key), search.ordinal(key)
                if before is None or ordinal is None:
                    continue
                row = np.array([ordinal], dtype=np.int32)
                if before.label == record.label:
                    vectors[titles[key]] = search.titles(row)[0].astype(np.float16)
                if key in descriptions and before.description == descriptions[key]:
                    vectors[descriptions[key]] = search.descriptions(row)[0][0].astype(np.float16)
        new = [text for text in dict.fromkeys([*titles.values(), *descriptions.values()]) if text not in vectors]
        return vectors | dict(zip(new, self._encoder.embed(new), strict=True)) if new else vectors

    def _read_types(self, session: Session) -> tuple[TypeTable, list[str]]:
        """Read all types, each at the row that it has had; return them, and the ids of those with another name now."""
        now = {record.id: record for record in queries.stream_types(session, self._namespace)}
        before = self._types
        known = {record.id for record in before.records}
        records = [now.get(old.id, TypeRecord(old.id, old.label)) for old in before.records]
        renamed = [row for row, old in enumerate(before.records) if records[row].label != old.label]
        records += [record for key, record in now.items() if key not in known]
        vectors = np.zeros((len(records), before.vectors.shape[1]), dtype=np.float16)
        vectors[: len(known)] = before.vectors
        encoded = [*renamed, *range(len(known), len(records))]
        if encoded:
            vectors[encoded] = self._encoder.embed([records[row].label for row in encoded])
        rows = {record.id: row for row, record in enumerate(records) if record.id in now}
        return TypeTable(records, vectors, rows), [records[row].id for row in renamed]

    def _read_occurrences(self, session: Session, entities: Iterable[ChangedEntity | None]) -> dict[str, Occurrences]:
        names = {name for entity in entities if entity is not None for name in entity.names}
        new = [name for name in names if name not in self.base.snapshot.aliases and name not in self._occurrences]
        return {
            row.normalised: (row.upper_occurrences, row.upper_links, row.lower_occurrences, row.lower_links)
            for row in queries.alias_occurrences(session, self._namespace, new)
        }


def _shown(record: EntityRecord) -> EntityRecord:
    """Return what answers show of an entity: of one without a description, its text stands there."""
    description = record.description or record.text
    return EntityRecord(
        record.id, record.label, description, types=record.types, xrefs=record.xrefs, popularity=record.popularity
    )


def _names(record: EntityRecord, labels: Mapping[str, str], types: TypeTable) -> list[str]:
    """Return the names of an entity's objects and types."""
    objects = {edge.object for edge in record.relations if edge.object in labels}
    names = [labels[key] for key in sorted(objects)]
    return names + [types.records[types.rows[name]].label for name in record.types if name in types.rows]
