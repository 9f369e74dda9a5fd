"""Token buckets: how many requests a key or an address may still send, for all processes together.

A bucket holds at most `burst` tokens and gains `rate` of them a second. It is counted by the database's clock, and its
row is locked while tokens are taken, so that no process and no machine can take what another one has. Nothing here
commits.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

# One that waited for the row may be older than the row says; its time then counts for nothing, not backwards.
AVAILABLE = "least(:burst, b.tokens + :rate * greatest(0, extract(epoch FROM now() - b.refilled_at)))"
TAKE = text(f"""
    INSERT INTO rate_bucket AS b (name, tokens, granted, refilled_at)
    VALUES (:name, :burst - least(:wanted, :burst), least(:wanted, :burst), now())
    ON CONFLICT (name) DO UPDATE SET
        granted = least(:wanted, floor({AVAILABLE})),
        tokens = {AVAILABLE} - least(:wanted, floor({AVAILABLE})),
        refilled_at = greatest(b.refilled_at, now())
    RETURNING granted, tokens
""")  # noqa: S608
LONGEST = 365 * 86_400.0  # seconds; of a rate so small, an interval of the database could not hold them
FORGET = text("DELETE FROM rate_bucket WHERE refilled_at < now() - make_interval(secs => :seconds)")


@dataclass(frozen=True, slots=True)
class Taken:
    """What was got from a bucket; `seconds` until there is another token."""

    tokens: int
    seconds: float


def take_tokens(session: Session, name: str, wanted: int, rate: float, burst: int) -> Taken:
    """Take tokens out of a bucket, as many as there are and are wanted. A bucket that is not there is a full one."""
    values = {"name": name, "wanted": wanted, "rate": rate, "burst": burst}
    granted, left = session.execute(TAKE, values).one()
    return Taken(int(granted), max(0.0, (1 - left) / rate))


def forget_full_buckets(session: Session, rate: float, burst: int) -> None:
    """Delete the buckets that are full again."""
    session.execute(FORGET, {"seconds": min(burst / rate, LONGEST)})
