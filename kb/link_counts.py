"""Counts of a corpus's links, added to the names of the entities that they lead to. Nothing here commits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb import curation, queries
from kb.curation import Edit
from kb.importers.checks import encodable
from kb.limits import ALIAS_BYTES, LARGEST_COUNT
from kb.normalise import normalise
from kb.records import AliasRecord, EntityRecord
from kb.staging import stage

KIND = "link_counts"
BATCH = 5000


class AlreadyCounted(ValueError):  # noqa: N818
    """These documents were counted before: counting them again would count each link twice."""


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """What counting did.

    Attributes:
        links: links whose counts were added.
        entities: entities that they lead to.
        new_aliases: names that their entities did not have before.
        unknown: links to entities that are not there.
        unusable: links whose text cannot be a name: blank, too long, or with characters that cannot be stored.
    """

    links: int = 0
    entities: int = 0
    new_aliases: int = 0
    unknown: int = 0
    unusable: int = 0


def count_names(links: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Count pairs of an entity's id and the name that leads to it; line breaks and runs of spaces are one space."""
    found: dict[str, Counter[str]] = {}
    for entity_id, name in links:
        found.setdefault(entity_id, Counter())[" ".join(name.split())] += 1
    return found


def add_link_counts(
    session: Session, namespace: str, counts: Mapping[str, Counter[str]], mark: str, edit: Edit, *, again: bool = False
) -> LinkCounts:
    """Add counts to the aliases and the popularity of entities: a revision for each, and all in one transaction.

    Args:
        session: whose caller commits.
        namespace: the knowledge base.
        counts: by entity, how often each name led to it.
        mark: what tells this corpus from others.
        edit: who does it and why.
        again: count it also if it was counted before.

    Raises:
        AlreadyCounted: it was.
    """
    curation.lock(session, namespace)
    curation.ensure_namespace(session, namespace)
    _note(session, namespace, mark, again=again)
    done = {"links": 0, "entities": 0, "new_aliases": 0, "unusable": 0}
    total = sum(sum(names.values()) for names in counts.values())
    ids = sorted(filter(storable, counts))
    known = 0
    for start in range(0, len(ids), BATCH):
        staged = []
        for record in queries.read_entities(session, namespace, ids[start : start + BATCH]):
            names = counts[record.id]
            usable = Counter({name: count for name, count in names.items() if _usable(name)})
            known += sum(names.values())
            done["unusable"] += sum(names.values()) - sum(usable.values())
            if usable:
                counted = _counted(record, usable)
                done["links"] += sum(usable.values())
                done["entities"] += 1
                done["new_aliases"] += len(counted.aliases) - len(record.aliases)
                staged.append(stage(counted))
        curation.put_entities(session, namespace, staged, edit)
    return LinkCounts(**done, unknown=total - known)


def _counted(record: EntityRecord, names: Counter[str]) -> EntityRecord:
    aliases = {alias.text: alias for alias in record.aliases}
    for name, count in names.items():
        alias = aliases.get(name, AliasRecord(name))
        aliases[name] = replace(alias, count=min(alias.count + count, LARGEST_COUNT))
    popularity = min(record.popularity + sum(names.values()), LARGEST_COUNT)
    return replace(record, aliases=tuple(aliases.values()), popularity=popularity)


def _usable(name: str) -> bool:
    return bool(name) and storable(name) and _fits(name)


def storable(text_: str) -> bool:
    """Tell whether the database can hold these characters."""
    return "\x00" not in text_ and encodable(text_)


def _fits(name: str) -> bool:
    return max(len(name.encode()), len(normalise(name).encode())) <= ALIAS_BYTES


def _note(session: Session, namespace: str, mark: str, *, again: bool) -> None:
    """Write down that a corpus is counted, if it was not before."""
    values = {"namespace": namespace, "kind": KIND, "key": mark}
    before = text(
        "SELECT finished_at FROM job WHERE namespace = :namespace AND kind = :kind AND key = :key"
        " ORDER BY id DESC LIMIT 1"
    )
    when = session.execute(before, values).scalar_one_or_none()
    if when is not None and not again:
        raise AlreadyCounted(f"These documents were counted on {when:%Y-%m-%d %H:%M}; --again counts them once more.")
    statement = text(
        "INSERT INTO job (namespace, kind, key, status, attempts, started_at, finished_at)"
        " VALUES (:namespace, :kind, :key, 'done', 1, now(), now())"
    )
    session.execute(statement, values)
