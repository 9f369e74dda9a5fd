"""Keys, as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from app.access.lifetimes import PATTERN
from app.schemas.fields import RequestModel, no_lone_surrogate

NAME_LENGTH = 100
NAME = r"^[^\x00-\x1f\x7f-\x9f\s]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s])?$"

RoleName = Literal["reader", "annotator", "curator", "admin"]
KeyName = Annotated[str, Field(max_length=NAME_LENGTH, pattern=NAME), BeforeValidator(no_lone_surrogate)]
Lifetime = Annotated[str, Field(pattern=PATTERN), BeforeValidator(no_lone_surrogate)]

EXPIRES_IN = "How long it is good, such as `12h`, `90d` or `52w` (`s`, `m`, `h`, `d`, `w`)"


class NewKey(RequestModel):
    """A key to make."""

    role: RoleName = Field(description="What its holder may do.")
    name: KeyName | None = Field(
        default=None, description="Names it in lists, in the log and in the history of edits; the role if left out."
    )
    expires_in: Lifetime | None = Field(default=None, description=f"{EXPIRES_IN}; without it, until it is revoked.")
    all_namespaces: bool = Field(
        default=False, description="Whether it is good for all knowledge bases; only a key that is may make such ones."
    )


class Renewal(RequestModel):
    """How to rotate a key."""

    expires_in: Lifetime | None = Field(
        default=None, description=f"{EXPIRES_IN}; without it, as long as the old one was meant to be."
    )


class Key(BaseModel):
    """What is known of a key."""

    id: int
    name: str
    role: RoleName
    namespace: str | None = Field(description="The knowledge base that it is good for; null for all.")
    status: Literal["good", "expired", "revoked"]
    created_at: datetime
    created_by: str | None = Field(description="Who made it: `command line`, or a key.")
    rotated_at: datetime | None = Field(description="When it was last replaced by a new one with the same id.")
    expires_at: datetime | None = Field(description="Null for a key that is good until it is revoked.")
    last_used_at: datetime | None = Field(description="Give or take a minute; null for one that was never used.")
    revoked_at: datetime | None


class IssuedKey(Key):
    """A new key, at the one time at which it is shown."""

    key: str = Field(description="The key itself. It is not stored, and cannot be shown again.")


class KeyList(BaseModel):
    """Keys, the oldest first."""

    keys: list[Key]
