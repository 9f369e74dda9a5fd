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
    """

    def __init__(self, entity_id: str, version: int, *, deleted: bool) -> None:
        super().__init__(f"{entity_id} is the id of {'a deleted' if deleted else 'another'} entity")
        self.entity_id = entity_id
        self.version = version
        self.deleted = deleted


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
        entity_id: its entity.
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
            return f"{where}: the entity was deleted later"
        if not self.fields:
            return f"{where}: the entity was edited, created or restored later"
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
