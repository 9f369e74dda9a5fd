"""Scores from judged documents; every expected number is worked out by hand."""

import pytest
from evaluation_helpers import gold, judged, labelled, link

from model.evaluation import metrics
from model.evaluation.judging import Judgement


def three_documents() -> list[Judgement]:
    return [
        # One right, one wrong, two gold: P 1/2, R 1/2, F1 1/2.
        judged(labelled(gold(0, 2, "A"), gold(5, 7, "B")), link(0, 2, "A", 0.9), link(10, 12, "C", 0.4)),
        # Two right of two: 1, 1, 1.
        judged(labelled(gold(0, 2, "C"), gold(5, 7, "D")), link(0, 2, "C", 0.8), link(5, 7, "D", 0.7)),
        # A link, but no gold: 0, 0, 0.
        judged(labelled(), link(0, 2, "A", 0.6)),
    ]


def test_precision_recall_of_counts() -> None:
    scores = metrics.precision_recall(3, 4, 6)
    assert (scores.precision, scores.recall, scores.f1) == (0.75, 0.5, 0.6)
    assert (scores.true_positives, scores.false_positives, scores.false_negatives) == (3, 1, 3)
    nothing = metrics.precision_recall(0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1) == (0.0, 0.0, 0.0)


def test_micro() -> None:
    scores = metrics.micro(three_documents())
    assert (scores.true_positives, scores.false_positives, scores.false_negatives) == (3, 2, 1)
    assert (scores.precision, scores.recall) == (3 / 5, 3 / 4)
    assert scores.f1 == pytest.approx(2 / 3)


def test_macro_leaves_out_documents_without_gold_and_links() -> None:
    empty = judged(labelled())
    only_nil = judged(labelled(gold(0, 2, None)), link(0, 2, None))
    scores = metrics.macro([*three_documents(), empty, only_nil])
    assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)
    assert (scores.documents, scores.left_out) == (3, 2)
    nothing = metrics.macro([empty])
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.documents, nothing.left_out) == (0, 0, 0, 0, 1)


def test_macro_f1_is_the_mean_of_f1s() -> None:
    one = judged(labelled(gold(0, 2, "A")), link(0, 2, "A"), link(4, 6, "A"))  # P 1/2, R 1, F1 2/3
    two = judged(labelled(gold(0, 2, "A"), gold(4, 6, "A")), link(0, 2, "A"))  # P 1, R 1/2, F1 2/3
    scores = metrics.macro([one, two])
    assert (scores.precision, scores.recall) == (0.75, 0.75)
    assert scores.f1 == pytest.approx(2 / 3)  # of the means it would be 3/4


def test_accuracy_is_over_in_kb_gold() -> None:
    document = labelled(gold(0, 2, "A"), gold(3, 5, "B"), gold(6, 8, None), gold(9, 11, "C", "coref"))
    found = metrics.accuracy([judged(document, link(0, 2, "A"), link(3, 5, "C"), link(6, 8, None))])
    assert (found.correct, found.total, found.value) == (1, 2, 0.5)
    assert metrics.accuracy([]).value is None


def test_detection() -> None:
    document = labelled(gold(0, 2, "A"), gold(3, 5, None), gold(6, 8, "B"), gold(10, 14, "C", "nested"))
    answers = (link(0, 2, "B"), link(3, 5, None), link(20, 22, "A"), link(20, 22, "B"), link(10, 14, "C"))
    found = metrics.detection([judged(document, *answers)])
    # Spans: two of three gold; judged are these two and [20, 22) once; the nested one is ignored.
    assert (found.spans.true_positives, found.spans.false_positives, found.spans.false_negatives) == (2, 1, 1)
    assert (found.in_kb_recall.correct, found.in_kb_recall.total) == (1, 2)


def test_nil() -> None:
    document = labelled(gold(0, 2, None), gold(3, 5, "elsewhere"), gold(6, 8, "A"))
    scores = metrics.nil([judged(document, link(0, 2, None), link(3, 5, "B"), link(6, 8, None))])
    assert scores is not None
    assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)
    assert metrics.nil([judged(labelled(gold(0, 2, "A")), link(0, 2, None))]) is None


def test_candidate_recall() -> None:
    many = [f"x{n}" for n in range(29)]
    document = labelled(gold(0, 2, "A"), gold(3, 5, "B"), gold(6, 8, "C"), gold(9, 11, "D"), gold(12, 14, "A"))
    answers = (
        link(0, 2, "A", candidates=["A", "B"]),  # rank 1
        link(3, 5, "A", candidates=["A", "C", "D", "x", "B"]),  # rank 5
        link(6, 8, "x0", candidates=[*many, "C"]),  # rank 30
        link(9, 11, "A", candidates=["A"]),  # not there
    )  # the fifth gold is not answered: it does not count here
    found = metrics.candidates([judged(document, *answers)])
    assert found.total == 4
    assert found.recall_at == {"1": 0.25, "5": 0.5, "10": 0.5, "30": 0.75}
    assert found.anywhere == 0.75
    assert found.mean_candidates == (2 + 5 + 30 + 1) / 4
    assert found.found_by == {"alias": 3}
    assert metrics.candidates([]).anywhere is None


def test_slices() -> None:
    document = labelled(gold(0, 2, "A"), gold(3, 5, "B"), gold(6, 8, "C"), gold(9, 11, "D"), gold(12, 14, "D"))
    answers = (
        link(0, 2, "B", candidates=["B", "A"]),
        link(3, 5, "B", candidates=["B", "A"]),
        link(6, 8, "C"),
        link(9, 11, "A", candidates=["A", "B"]),
        link(12, 14, "D", candidates=["D", "C"]),
    )
    unseen, tail, torso, head = metrics.slices([judged(document, *answers)])
    assert [(s.name, s.low, s.high) for s in (unseen, tail, torso, head)] == [
        ("unseen", 0, 0),
        ("tail", 1, 10),
        ("torso", 11, 1000),
        ("head", 1001, None),
    ]
    assert [s.accuracy.value for s in (unseen, tail, torso, head)] == [0.0, 1.0, 1.0, 0.5]
    assert [s.candidate_recall.value for s in (unseen, tail, torso, head)] == [1.0, 1.0, 1.0, 0.5]
    assert [(s.ambiguous.correct, s.ambiguous.total) for s in (unseen, tail, torso, head)] == [
        (0, 1),
        (1, 1),
        (0, 0),
        (1, 1),
    ]
    found = metrics.ambiguous_accuracy([judged(document, *answers)])
    assert (found.correct, found.total) == (2, 3)


@pytest.mark.parametrize(
    ("count", "name"), [(0, "unseen"), (1, "tail"), (10, "tail"), (11, "torso"), (1000, "torso"), (1001, "head")]
)
def test_slice_borders(count: int, name: str) -> None:
    target = metrics.Target(count, answered=False, correct=False)
    assert [n for n, low, high in metrics.SLICES if metrics.in_slice(target, low, high)] == [name]


def test_sweep() -> None:
    # Links by confidence: 0.9 right, 0.8 right, 0.7 right, 0.6 wrong, 0.4 wrong; 4 gold.
    found = metrics.sweep(three_documents())
    at = {point.threshold: point for point in found.points}
    assert len(at) == 51
    assert (at[0.0].precision, at[0.0].recall) == (3 / 5, 3 / 4)
    assert (at[0.4].precision, at[0.42].precision) == (3 / 5, 3 / 4)  # at the threshold a link stays
    assert (at[0.8].precision, at[0.8].recall) == (1.0, 0.5)
    assert (at[1.0].precision, at[1.0].recall, at[1.0].f1) == (0.0, 0.0, 0.0)
    assert found.oracle.threshold == 0.7
    assert found.oracle.f1 == pytest.approx(6 / 7)


def test_sweep_counts_nil_answers_as_no_links() -> None:
    found = metrics.sweep(
        [judged(labelled(gold(0, 2, None), gold(3, 5, "A")), link(0, 2, None, 1.0), link(3, 5, "A", 0.5))]
    )
    assert (found.oracle.threshold, found.oracle.f1) == (0.0, 1.0)  # the lowest of equally good ones
    assert found.points[0].precision == 1.0


def test_sweep_of_nothing() -> None:
    assert metrics.sweep([]).oracle.f1 == 0.0
