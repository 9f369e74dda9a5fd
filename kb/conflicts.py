"""Why an edit of the knowledge base is refused although what it says could be stored."""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):  # noqa: N818
    """An edit does not fit what is there; nothing was written, and the transaction should be rolled back."""


class EntityMissing(Refused):
    """There is no such entity.

    Attributes:
        entity_id: its id.
        deleted_version: the version of the deleted entity with this id; None where there never was one.
    """

    def __init__(self, entity_id: str, deleted_version: int | None = None) -> None:
        super().__init__(f"there is no entity {entity_id}" if deleted_version is None else f"{entity_id} is deleted")
        self.entity_id = entity_id
        self.deleted_version = deleted_version


class IdTaken(Refused):
    """An entity with this id exists, or existed and is deleted.

    Attributes:
        entity_id: the id.
        version: the version of the entity that has it.
        deleted: whether that one is deleted.
        redirect: the entity that the id leads to since it was merged into that one, or renamed.
    """

    def __init__(self, entity_id: str, version: int, *, deleted: bool, redirect: str | None = None) -> None:
        whose = (
            f"a former id of {redirect}" if redirect else f"the id of {'a deleted' if deleted else 'another'} entity"
        )
        super().__init__(f"{entity_id} is {whose}")
        self.entity_id = entity_id
        self.version = version
        self.deleted = deleted
        self.redirect = redirect


class Redirected(Refused):
    """The entity is another one by now: it was merged into that one, or renamed.

    Attributes:
        entity_id: its former id.
        target: where that leads.
    """

    def __init__(self, entity_id: str, target: str) -> None:
        super().__init__(f"{entity_id} is a former id of {target}")
        self.entity_id = entity_id
        self.target = target


class RedirectCycle(Refused):
    """Ids would lead to each other, and to no entity.

    Attributes:
        entity_id: one of them.
    """

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"{entity_id} would lead to itself, by way of the ids that entities had later")
        self.entity_id = entity_id


@dataclass(frozen=True, slots=True)
class XrefChoice:
    """A collection in which two entities that are merged have different ids."""

    scheme: str
    kept: str
    dropped: str


class MergeConflict(Refused):
    """Two entities that should be one have different ids in the same collection.

    Attributes:
        choices: each such collection, with both ids.
    """

    def __init__(self, choices: list[XrefChoice]) -> None:
        said = (f"{item.kept} and {item.dropped} in {item.scheme}" for item in choices)
        super().__init__(f"the two entities are {'; '.join(said)}")
        self.choices = choices


class TooManyEntities(Refused):
    """More entities would be edited at once than one operation takes.

    Attributes:
        most: how many it takes.
        count: how many it would be.
    """

    def __init__(self, most: int, count: int) -> None:
        super().__init__(f"{count} entities would be edited, and one operation takes {most}")
        self.most = most
        self.count = count


class BulkChanged(Refused):
    """A bulk patch would do something else than what was previewed.

    Attributes:
        count: how many entities it would change now.
    """

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the patch would do something else than what was previewed; it would change {count} entities now"
        )
        self.count = count


class ClassMissing(Refused):
    """There is no such type or predicate.

    Attributes:
        kind: `type` or `predicate`.
        key: its id.
    """

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"there is no {kind} {key}")
        self.kind = kind
        self.key = key


class ClassExists(Refused):
    """There is a type or predicate with this id."""

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"there is a {kind} {key}")
        self.kind = kind
        self.key = key


class ClassInUse(Refused):
    """A type or predicate that should be deleted is named by others.

    Attributes:
        uses: how many entities, types or relations name it.
    """

    def __init__(self, kind: str, key: str, uses: dict[str, int]) -> None:
        said = " and ".join(f"{count} {name}" for name, count in uses.items() if count)
        super().__init__(f"{said} name the {kind} {key}")
        self.kind = kind
        self.key = key
        self.uses = uses


class StaleClass(Refused):
    """The edit starts from another content of a type or predicate than the current one.

    Attributes:
        tag: names the current content; None where it is deleted.
    """

    def __init__(self, kind: str, key: str, tag: str | None) -> None:
        super().__init__(f"the edit starts from another content of the {kind} {key} than the current one")
        self.kind = kind
        self.key = key
        self.tag = tag


class NamespaceMissing(Refused):
    """There is no such knowledge base."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no knowledge base {name}")


class NamespaceExists(Refused):
    """There is a knowledge base of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a knowledge base {name}")


class NamespaceInUse(Refused):
    """A knowledge base that should be deleted has entities."""

    def __init__(self, name: str, entities: int) -> None:
        super().__init__(f"the knowledge base {name} has {entities} entities")


class NotDeleted(Refused):
    """The entity is not deleted, so that there is nothing to restore."""

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"{entity_id} is not deleted")
        self.entity_id = entity_id


class Stale(Refused):
    """The edit starts from another version than the current one.

    Attributes:
        entity_id: the entity.
        base: the version that the edit starts from.
        current: the current version.
    """

    def __init__(self, entity_id: str, base: int, current: int) -> None:
        super().__init__(f"{entity_id} has version {current}, and the edit starts from version {base}")
        self.entity_id = entity_id
        self.base = base
        self.current = current


class XrefTaken(Refused):
    """Two entities would claim the same id in another collection.

    Attributes:
        entity_id: the edited entity.
        other_id: the one that has the value already.
        scheme: the collection.
        value: the id there.
    """

    def __init__(self, entity_id: str, other_id: str, scheme: str, value: str) -> None:
        super().__init__(f"{entity_id} and {other_id} would both be {value} in {scheme}")
        self.entity_id = entity_id
        self.other_id = other_id
        self.scheme = scheme
        self.value = value


class Busy(Refused):
    """Another edit, of many entities, kept this one waiting for too long."""


class RevisionMissing(Refused):
    """There is no such revision.

    Attributes:
        revision_id: its id.
    """

    def __init__(self, revision_id: int) -> None:
        super().__init__(f"there is no revision {revision_id}")
        self.revision_id = revision_id


class NothingToUndo(Refused):
    """Everything that should be undone is as it was before already, or nothing was found that could be undone."""


class TooManyRevisions(Refused):
    """More should be undone than one transaction takes.

    Attributes:
        most: how many revisions it takes.
    """

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} revisions would be undone")
        self.most = most


@dataclass(frozen=True, slots=True)
class Clash:
    """A revision that cannot be undone without undoing later edits, too.

    Attributes:
        revision_id: the revision.
        entity_id: its entity, or its type or predicate.
        fields: what later edits changed again; empty where they deleted, created or restored the entity.
        lasting: that forcing does not help.
    """

    revision_id: int
    entity_id: str
    fields: tuple[str, ...]
    lasting: bool = False

    def __str__(self) -> str:
        """Say what came later."""
        where = f"revision {self.revision_id} of {self.entity_id}"
        if self.lasting:
            return f"{where}: it was deleted, merged or renamed later"
        if not self.fields:
            return f"{where}: it was edited, created or restored later"
        return f"{where}: later edits changed {', '.join(self.fields)} again"


class UndoClash(Refused):
    """Later edits touched what should be undone.

    Attributes:
        clashes: which ones, the newest first.
    """

    def __init__(self, clashes: list[Clash]) -> None:
        super().__init__("; ".join(map(str, clashes[:3])))
        self.clashes = clashes


class FeedbackMissing(Refused):
    """There is no such feedback: there never was, or it was deleted."""

    def __init__(self, feedback_id: int) -> None:
        super().__init__(f"there is no feedback {feedback_id}")


class ProposalMissing(Refused):
    """There is no such proposal: there never was, or it was deleted."""

    def __init__(self, proposal_id: int) -> None:
        super().__init__(f"there is no proposal {proposal_id}")


class AlreadyDecided(Refused):
    """Somebody accepted or rejected it before."""

    def __init__(self, what: str, status: str, by: str | None) -> None:
        super().__init__(f"{what} was {status} by {by or 'the command line'}")
