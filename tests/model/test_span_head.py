"""What the span head reads of a text's writing, and what its tags say of stretches of wordpieces."""

import numpy as np

from model.span_head import (
    BEGIN,
    CAPITALISED,
    CAPITALS,
    INSIDE,
    LOWER,
    MARKS,
    MIXED,
    NUMBER,
    OTHER,
    OUTSIDE,
    SHAPES,
    SPAN_SHAPES,
    SpanHead,
    span_log_probabilities,
    tagged_stretches,
    wordpiece_marks,
)


def test_marks_tell_case_word_starts_and_sentence_starts() -> None:
    text = "Paris is in EU-land. McCoy saw 3M"
    starts = [0, 3, 6, 9, 12, 14, 15, 19, 21, 27, 31]
    own = wordpiece_marks(text, starts)[:, MARKS : 2 * MARKS]
    shapes = own[:, :SHAPES].argmax(axis=1).tolist()
    assert shapes == [
        CAPITALISED,
        CAPITALISED,
        LOWER,
        LOWER,
        CAPITALS,
        OTHER,
        LOWER,
        OTHER,
        MIXED,
        LOWER,
        NUMBER,
    ]
    assert own[:, SHAPES].tolist() == [1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1]
    assert own[:, SHAPES + 1].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_marks_hold_the_neighbours() -> None:
    marks = wordpiece_marks("Jordan won", [0, 7])
    assert not marks[0, :MARKS].any()
    assert (marks[0, 2 * MARKS :] == marks[1, MARKS : 2 * MARKS]).all()
    assert (marks[1, :MARKS] == marks[0, MARKS : 2 * MARKS]).all()
    assert not marks[1, 2 * MARKS :].any()
    assert wordpiece_marks("", []).shape == (0, 3 * MARKS)


def test_stretches_follow_the_tags() -> None:
    tags = [BEGIN, INSIDE, OUTSIDE, INSIDE, BEGIN, BEGIN]
    logs = np.log(np.full((6, 3), 0.05, dtype=np.float32))
    logs[np.arange(6), tags] = np.log(0.9)
    assert tagged_stretches(logs) == [(0, 2), (4, 5), (5, 6)]
    first, last = np.array([0, 0, 4, 5], np.int32), np.array([2, 1, 5, 6], np.int32)
    expected = [0.9 * 0.9 * 0.95, 0.9 * 0.1, 0.9 * 0.95, 0.9]
    assert np.allclose(np.exp(span_log_probabilities(logs, first, last)), expected, atol=1e-5)


def test_probabilities_sum_to_one() -> None:
    random = np.random.default_rng(0)
    head = SpanHead({name: random.normal(size=shape).astype(np.float32) for name, shape in SPAN_SHAPES.items()})
    hidden = random.normal(size=(7, 384)).astype(np.float32)
    marks = wordpiece_marks("a b c d e f g", list(range(0, 14, 2)))
    assert np.allclose(np.exp(head.log_probabilities(hidden, marks)).sum(axis=1), 1, atol=1e-5)
