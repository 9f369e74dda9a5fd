"""Keys of the REST API: made, found by their hash, renewed and revoked. Nothing here commits.

A key is 256 random bits. That is why a plain SHA-256 is enough to store it: slow, salted hashes protect secrets that
people choose and others can guess, and nobody can try 2^256 keys however fast the hash is. A fast hash without salt
also lets the key be found by an index; what the time of that look-up gives away is about the hash, not the key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from kb.curation import ensure_namespace

PREFIX = "nsk_"
CHARACTERS = string.ascii_letters + string.digits
LENGTH = 43  # of 62 characters: just over 256 bits
SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9]{{{LENGTH}}}")
SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9]{{8,}}")

Status = Literal["good", "expired", "revoked"]

COLUMNS = """
    id, namespace, name, role, created_by, created_at, rotated_at, expires_at, last_used_at, revoked_at,
    CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'good' END AS status
"""
CREATE = f"""
    INSERT INTO api_key (namespace, name, role, key_hash, created_by, expires_at)
    VALUES (:namespace, :name, :role, :digest, :created_by, now() + CAST(:lifetime AS interval)) RETURNING {COLUMNS}
"""  # noqa: S608
FIND = f"SELECT {COLUMNS} FROM api_key WHERE key_hash = :digest"  # noqa: S608
GET = f"SELECT {COLUMNS} FROM api_key WHERE id = :id"  # noqa: S608
LIST = f"SELECT {COLUMNS} FROM api_key ORDER BY id"  # noqa: S608
# The new key lives as long as the old one was meant to, and has not been used yet.
ROTATE = f"""
    UPDATE api_key SET key_hash = :digest, rotated_at = now(), last_used_at = NULL,
        expires_at = now() + coalesce(CAST(:lifetime AS interval), expires_at - coalesce(rotated_at, created_at))
    WHERE id = :id AND revoked_at IS NULL RETURNING {COLUMNS}
"""  # noqa: S608
REVOKE = f"UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = :id RETURNING {COLUMNS}"  # noqa: S608
TOUCH = """
    UPDATE api_key SET last_used_at = now()
    WHERE id = :id AND (last_used_at IS NULL OR last_used_at < now() - CAST(:often AS interval))
"""


class Role(StrEnum):
    """What the holder of a key may do; each role may also do what those before it may."""

    READER = "reader"
    ANNOTATOR = "annotator"
    CURATOR = "curator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """How much it may do; the least is 0."""
        return list(Role).index(self)

    def includes(self, other: Role) -> bool:
        """Say whether this role may do what `other` may."""
        return self.rank >= other.rank


class KeyNotFound(LookupError):  # noqa: N818
    """There is no key with this id: `namesake keys list --all-namespaces` shows all."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class KeyRevoked(ValueError):  # noqa: N818
    """The key is revoked for good: make a new one with `namesake keys create`."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key, which is everything but the key itself.

    Attributes:
        namespace: the knowledge base that it is good for; None for all.
        created_by: who made it.
        rotated_at: when it was last replaced by a new one with the same id.
        last_used_at: when it was last used, give or take a minute.
        status: whether it is good now, by the database's clock.
    """

    id: int
    namespace: str | None
    name: str
    role: Role
    created_by: str | None
    created_at: datetime
    rotated_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    status: Status

    @property
    def label(self) -> str:
        """Id and name, as logs and the history of edits name it."""
        return f"{self.id}/{self.name}"

    def good_for(self, namespace: str) -> bool:
        """Say whether the key may be used with a knowledge base."""
        return self.namespace is None or self.namespace == namespace


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key at the one moment at which it can be read."""

    record: KeyRecord
    secret: str

    def __repr__(self) -> str:
        """Leave the key out: this may end up in a log."""
        return f"IssuedKey({self.record!r})"


def new_secret() -> str:
    """Return a key that nobody has."""
    return PREFIX + "".join(secrets.choice(CHARACTERS) for _ in range(LENGTH))


def digest(secret: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(secret.encode()).digest()


def hide_keys(words: str) -> str:
    """Return the words with everything that looks like a key cut off after its prefix."""
    return SECRET.sub(f"{PREFIX}…", words) if PREFIX in words else words


def create_key(
    session: Session,
    role: Role,
    name: str,
    namespace: str | None,
    lifetime: timedelta | None = None,
    created_by: str | None = None,
) -> IssuedKey:
    """Make a key; without a namespace it is good for all, without a lifetime it does not expire."""
    if namespace is not None:
        ensure_namespace(session, namespace)
    secret = new_secret()
    values = {"namespace": namespace, "name": name, "role": role, "created_by": created_by, "lifetime": lifetime}
    row = session.execute(text(CREATE), values | {"digest": digest(secret)}).one()
    return IssuedKey(_record(row), secret)


def find_key(session: Session, hashed: bytes) -> KeyRecord | None:
    """Return the key with this digest, whether it is good or not."""
    row = session.execute(text(FIND), {"digest": hashed}).one_or_none()
    return None if row is None else _record(row)


def get_key(session: Session, key_id: int) -> KeyRecord:
    """Return the key with this id.

    Raises:
        KeyNotFound: there is none.
    """
    row = session.execute(text(GET), {"id": key_id}).one_or_none()
    if row is None:
        raise KeyNotFound
    return _record(row)


def list_keys(session: Session) -> list[KeyRecord]:
    """Return the keys of all knowledge bases, the oldest first."""
    return [_record(row) for row in session.execute(text(LIST))]


def rotate_key(session: Session, key_id: int, lifetime: timedelta | None = None) -> IssuedKey:
    """Put a new key in the place of one, with the same id, name and role; the old one stops working.

    Args:
        session: whose caller commits.
        key_id: the key's id.
        lifetime: how long the new one is good; without it, as long as the old one was meant to be.

    Raises:
        KeyNotFound: there is no such key.
        KeyRevoked: it was revoked.
    """
    secret = new_secret()
    values = {"id": key_id, "digest": digest(secret), "lifetime": lifetime}
    row = session.execute(text(ROTATE), values).one_or_none()
    if row is None:
        get_key(session, key_id)
        raise KeyRevoked
    return IssuedKey(_record(row), secret)


def revoke_key(session: Session, key_id: int) -> KeyRecord:
    """Make a key useless for good; one that is revoked already stays so.

    Raises:
        KeyNotFound: there is no such key.
    """
    row = session.execute(text(REVOKE), {"id": key_id}).one_or_none()
    if row is None:
        raise KeyNotFound
    return _record(row)


def touch_key(session: Session, key_id: int, often: timedelta) -> None:
    """Write down that a key was used, unless that was done less than `often` ago."""
    session.execute(text(TOUCH), {"id": key_id, "often": often})


def _record(row: Any) -> KeyRecord:
    return KeyRecord(**(row._asdict() | {"role": Role(row.role)}))
