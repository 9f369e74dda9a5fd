"""Token buckets in the database: whatever is taken, by however many, it is never more than the rate allows."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from kb import buckets
from kb.buckets import Taken

SHARED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PASS = text("UPDATE rate_bucket SET refilled_at = refilled_at - make_interval(secs => :seconds) WHERE name = :name")
COUNT = text("SELECT count(*) FROM rate_bucket WHERE name = :name")


def take(engine: Engine, name: str, wanted: int, rate: float, burst: int) -> Taken:
    with Session(engine) as session, session.begin():
        return buckets.take_tokens(session, name, wanted, rate, burst)


def let_pass(engine: Engine, name: str, seconds: float) -> None:
    with engine.begin() as connection:
        connection.execute(PASS, {"name": name, "seconds": seconds})


@SHARED
@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    steps=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 20)), min_size=1, max_size=8),
)
def test_never_more_is_granted_than_the_rate_allows(
    kb_engine: Engine, rate: float, burst: int, steps: list[tuple[int, float]]
) -> None:
    name, began, passed, granted = uuid.uuid4().hex, time.monotonic(), 0.0, 0
    for wanted, seconds in steps:
        taken = take(kb_engine, name, wanted, rate, burst)
        granted += taken.tokens
        assert 0 <= taken.tokens <= min(wanted, burst)
        assert taken.tokens == wanted or taken.seconds > 0  # who got less than asked for found the bucket empty
        assert taken.seconds <= 1 / rate
        let_pass(kb_engine, name, seconds)
        passed += seconds
    assert granted <= burst + rate * (passed + time.monotonic() - began) + 1e-6


@SHARED
@given(rate=st.floats(0.01, 1000), burst=st.integers(1, 50), wanted=st.integers(1, 60))
def test_a_bucket_is_full_again_after_a_while_and_forgotten(
    kb_engine: Engine, rate: float, burst: int, wanted: int
) -> None:
    name = uuid.uuid4().hex
    assert take(kb_engine, name, burst, rate, burst).tokens == burst
    let_pass(kb_engine, name, burst / rate + 1)
    assert take(kb_engine, name, wanted, rate, burst).tokens == min(wanted, burst)
    with Session(kb_engine) as session, session.begin():
        buckets.forget_full_buckets(session, rate, burst)
        kept = session.execute(COUNT, {"name": name}).scalar_one()
    assert kept == 1 or burst / rate < 1  # it was just taken from; a bucket that fills at once may be gone
    let_pass(kb_engine, name, burst / rate + 1)
    with Session(kb_engine) as session, session.begin():
        buckets.forget_full_buckets(session, rate, burst)
        assert session.execute(COUNT, {"name": name}).scalar_one() == 0


def test_many_that_take_at_once_share_what_there_is(kb_engine: Engine) -> None:
    name, rate, burst = uuid.uuid4().hex, 50.0, 100
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: take(kb_engine, name, 5, rate, burst).tokens, range(200)))
    seconds = time.monotonic() - began
    assert burst <= sum(taken) <= burst + rate * seconds
