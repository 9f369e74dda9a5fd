"""Keys in the database: made, found, expired, rotated, revoked; what is stored of them, and when a use is noted."""

from datetime import timedelta

import pytest
from kb_files import Kb
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kb import keys
from kb.keys import IssuedKey, KeyNotFound, KeyRecord, KeyRevoked, Role

MINUTE = timedelta(minutes=1)


def issue(kb: Kb, role: Role = Role.READER, lifetime: timedelta | None = None, **options: str | None) -> IssuedKey:
    with Session(kb.engine) as session, session.begin():
        return keys.create_key(session, role, "a key", options.get("namespace", kb.namespace), lifetime, "a test")


def find(kb: Kb, secret: str) -> KeyRecord | None:
    with Session(kb.engine) as session:
        return keys.find_key(session, keys.digest(secret))


def age(kb: Kb, key_id: int, by: timedelta) -> None:
    """Move all times of a key back, as if it had been made so much earlier."""
    moved = ", ".join(f"{name} = {name} - CAST(:by AS interval)" for name in ("created_at", "rotated_at", "expires_at"))
    statement = f"UPDATE api_key SET {moved}, last_used_at = last_used_at - CAST(:by AS interval) WHERE id = :id"  # noqa: S608
    with kb.engine.begin() as connection:
        connection.execute(text(statement), {"id": key_id, "by": by})


def test_a_key_is_found_by_itself_and_not_stored(kb: Kb) -> None:
    issued = issue(kb, Role.CURATOR)
    assert find(kb, issued.secret) == issued.record
    assert (issued.record.role, issued.record.status, issued.record.created_by) == (Role.CURATOR, "good", "a test")
    assert issued.secret not in repr(issued)
    with kb.engine.connect() as connection:
        rows = connection.execute(text("SELECT t::text FROM api_key t WHERE id = :id"), {"id": issued.record.id})
        stored = "".join(rows.scalars())
    assert issued.secret not in stored
    assert keys.digest(issued.secret).hex() in stored
    assert find(kb, keys.new_secret()) is None


def test_a_key_for_one_knowledge_base_and_a_key_for_all(kb: Kb) -> None:
    one, every = issue(kb).record, issue(kb, namespace=None).record
    assert (one.good_for(kb.namespace), one.good_for("another")) == (True, False)
    assert (every.good_for(kb.namespace), every.good_for("another")) == (True, True)
    with Session(kb.engine) as session:
        assert {one, every} <= set(keys.list_keys(session))


def test_an_expired_key_says_so(kb: Kb) -> None:
    issued = issue(kb, lifetime=timedelta(days=1))
    age(kb, issued.record.id, timedelta(hours=23))
    assert [found.status for found in [find(kb, issued.secret)] if found] == ["good"]
    age(kb, issued.record.id, timedelta(hours=1))
    assert [found.status for found in [find(kb, issued.secret)] if found] == ["expired"]


@pytest.mark.parametrize(("lifetime", "asked", "left"), [(90, None, 90), (None, None, None), (90, 7, 7), (None, 7, 7)])
def test_a_rotated_key_lives_as_long_as_it_was_meant_to(
    kb: Kb, lifetime: int | None, asked: int | None, left: int | None
) -> None:
    old = issue(kb, Role.ADMIN, None if lifetime is None else timedelta(days=lifetime))
    for _ in range(2):  # the second counts from the first, not from when the key was made
        age(kb, old.record.id, timedelta(days=60))
        with Session(kb.engine) as session, session.begin():
            new = keys.rotate_key(session, old.record.id, None if asked is None else timedelta(days=asked))
        assert find(kb, old.secret) is None
        found = find(kb, new.secret)
        assert found == new.record
        assert (found.id, found.name, found.role, found.last_used_at) == (old.record.id, "a key", Role.ADMIN, None)
        assert found.rotated_at
        lives = None if found.expires_at is None else found.expires_at - found.rotated_at
        assert lives == (None if left is None else timedelta(days=left))
        old = new


def test_a_revoked_key_stays_revoked(kb: Kb) -> None:
    issued = issue(kb)
    with Session(kb.engine) as session, session.begin():
        first = keys.revoke_key(session, issued.record.id)
        assert keys.revoke_key(session, issued.record.id) == first
        with pytest.raises(KeyRevoked, match="revoked for good: make a new one"):
            keys.rotate_key(session, issued.record.id)
    assert first.status == "revoked"
    assert find(kb, issued.secret) == first


def test_a_key_that_is_not_there(kb: Kb) -> None:
    with Session(kb.engine) as session:
        for work in (keys.get_key, keys.rotate_key, keys.revoke_key):
            with pytest.raises(KeyNotFound, match="no key with this id: `namesake keys list"):
                work(session, 2**62)


def test_a_use_is_noted_once_a_minute(kb: Kb) -> None:
    issued = issue(kb)

    def touch() -> KeyRecord | None:
        with Session(kb.engine) as session, session.begin():
            keys.touch_key(session, issued.record.id, MINUTE)
        return find(kb, issued.secret)

    first = touch()
    assert first is not None
    assert first.last_used_at is not None
    assert touch() == first
    age(kb, issued.record.id, timedelta(seconds=61))
    later = touch()
    assert later is not None
    assert later.last_used_at is not None
    assert later.last_used_at >= first.last_used_at


def test_the_database_takes_no_other_role(kb: Kb) -> None:
    issued = issue(kb)
    with pytest.raises(IntegrityError, match="ck_api_key_role"), kb.engine.begin() as connection:
        connection.execute(text("UPDATE api_key SET role = 'owner' WHERE id = :id"), {"id": issued.record.id})
    with kb.engine.connect() as connection:
        known = connection.execute(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
            {"name": "ck_api_key_role"},
        )
        assert all(f"'{role}'" in definition for definition in known.scalars() for role in Role)
