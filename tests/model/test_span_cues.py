"""What the span head says becomes cues of spans."""

from __future__ import annotations

import numpy as np
import pytest

from model.mentions import FEATURES
from model.span_cues import SPAN_CUES, SpanReading, unread
from model.span_head import tagged_stretches

TEXT = "New York met York"
STARTS, ENDS = np.array([0, 4, 9, 13], np.int32), np.array([3, 8, 12, 17], np.int32)

ALIASES = {(4, 8), (13, 17)}  # not the marked one


@pytest.fixture
def reading() -> SpanReading:
    """[New York] is marked; the last York hardly is not."""
    chances = np.array([[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.98, 0.01, 0.01], [0.6, 0.3, 0.1]], dtype=np.float32)
    logs = np.log(chances)
    return SpanReading(STARTS, ENDS, logs, tagged_stretches(logs))


def cues(reading: SpanReading, start: int, end: int, *others: tuple[int, int]) -> dict[str, float]:
    spans = [(start, end), *others]
    starts, ends = (np.array(column, np.int32) for column in zip(*spans, strict=True))
    return dict(zip(SPAN_CUES, reading.cues(TEXT, starts, ends, ALIASES)[0].tolist(), strict=True))


def test_a_stretch_that_is_marked(reading: SpanReading) -> None:
    assert reading.marked() == [(0, 8)]
    found = cues(reading, 0, 8)
    assert (found["tagged"], found["inside_tagged"], found["across_tagged"], found["unread"]) == (1, 0, 0, 0)
    chance = 0.8 * 0.8 * 0.99  # begins, goes on, and does not go on any further
    assert found["span_log_odds"] == pytest.approx(np.log(chance / (1 - chance)), abs=1e-3)


def test_parts_of_it_and_what_goes_beyond(reading: SpanReading) -> None:
    assert [cues(reading, 4, 8)[name] for name in ("tagged", "inside_tagged", "across_tagged")] == [0, 1, 0]
    assert [cues(reading, 0, 12)[name] for name in ("tagged", "inside_tagged", "across_tagged")] == [0, 0, 1]
    assert [cues(reading, 13, 17)[name] for name in ("tagged", "inside_tagged", "across_tagged")] == [0, 0, 0]


def test_parts_of_a_marked_stretch_that_is_no_alias_are_told_apart(reading: SpanReading) -> None:
    assert [cues(reading, *span)["inside_unknown"] for span in ((4, 8), (0, 8), (0, 12), (13, 17))] == [1, 0, 0, 0]
    starts, ends = np.array([4], np.int32), np.array([8], np.int32)
    known = dict(zip(SPAN_CUES, reading.cues(TEXT, starts, ends, {(0, 8)})[0].tolist(), strict=True))
    assert (known["inside_tagged"], known["inside_unknown"]) == (1, 0)


def test_the_same_words_elsewhere_count(reading: SpanReading) -> None:
    alone = cues(reading, 4, 8)
    assert alone["repeated_log_odds"] == alone["span_log_odds"]
    twice = cues(reading, 4, 8, (13, 17))
    assert twice["span_log_odds"] == alone["span_log_odds"]
    assert twice["repeated_log_odds"] == pytest.approx(np.log(0.3 / 0.7), abs=1e-3)
    assert twice["repeated_log_odds"] > alone["span_log_odds"]


def test_without_a_head_nothing_is_said() -> None:
    assert unread(2).tolist() == [[1, 0, 0, 0, 0, 0, 0]] * 2
    assert FEATURES[-len(SPAN_CUES) :] == SPAN_CUES
