"""The state of the live index, as the API shows it."""

from __future__ import annotations

from pydantic import BaseModel, Field


class SnapshotState(BaseModel):
    """The snapshot that answers start from."""

    name: str = Field(description="Its folder.")
    kb_version: int = Field(description="The last change that is in it.")
    entities: int = Field(description="How many entities it holds.")
    created_at: str = Field(description="When it was built.")


class DeltaState(BaseModel):
    """What changed since, held beside the snapshot."""

    entities: int = Field(description="How many entities were created, edited or deleted.")
    compact_after: int = Field(description="From how many on a new snapshot is built; 0: never.")
    compacting: bool = Field(description="Whether this process has a new snapshot built now.")


class Lag(BaseModel):
    """What the database knows and answers do not yet."""

    changes: int = Field(description="How many changes.")
    seconds: float = Field(description="How long the oldest of them has been waiting.")


class IndexState(BaseModel):
    """What the process that answers links with."""

    namespace: str
    kb_version: int = Field(description="The last change that answers know.")
    process: int = Field(description="Id of the server process; each has its own delta.")
    snapshot: SnapshotState
    delta: DeltaState
    lag: Lag
    problem: str | None = Field(description="Why changes cannot be followed at the moment; null where they can.")
