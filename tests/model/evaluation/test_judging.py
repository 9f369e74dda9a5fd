"""The rules by which links are judged, one by one. Numbers are worked out by hand."""

from collections import Counter
from random import Random

import pytest
from evaluation_helpers import KB, gold, judged, labelled, link
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.corpus import NEUTRAL_KINDS, GoldMention, LabelledDocument
from model.evaluation.judging import Judgement
from model.evaluation.spans import SpanIndex
from model.types import Link


def counts(judgement: Judgement) -> tuple[int, int, int]:
    """Return true positives, false positives, false negatives."""
    right = judgement.links_right
    return right, judgement.links_judged - right, len(judgement.targets) - right


def kinds(judgement: Judgement) -> list[tuple[str, bool, bool]]:
    return [(case.category, case.missed, case.wrong) for case in judgement.errors]


def test_right_link() -> None:
    judgement = judged(labelled(gold(0, 3, "A")), link(0, 3, "A"))
    assert counts(judgement) == (1, 0, 0)
    assert kinds(judgement) == []


def test_wrong_choice_misses_the_gold_and_is_a_wrong_link() -> None:
    judgement = judged(labelled(gold(0, 3, "A")), link(0, 3, "B", candidates=["B", "A"]))
    assert counts(judgement) == (0, 1, 1)
    assert kinds(judgement) == [("wrong_choice", True, True)]
    assert judgement.targets[0].rank == 2


def test_gold_not_among_candidates() -> None:
    judgement = judged(labelled(gold(0, 3, "A")), link(0, 3, "B", candidates=["B", "C"]))
    assert kinds(judgement) == [("gold_not_among_candidates", True, True)]
    assert judgement.targets[0].rank is None


def test_nil_on_in_kb_gold_misses_but_is_no_link() -> None:
    judgement = judged(labelled(gold(0, 3, "A")), link(0, 3, None, candidates=["A"]))
    assert counts(judgement) == (0, 0, 1)
    assert kinds(judgement) == [("wrong_choice", True, False)]


def test_not_detected() -> None:
    judgement = judged(labelled(gold(0, 3, "A")))
    assert counts(judgement) == (0, 0, 1)
    assert kinds(judgement) == [("not_detected", True, False)]


def test_a_link_where_there_is_no_gold_is_wrong() -> None:
    judgement = judged(labelled(), link(0, 3, "A"))
    assert counts(judgement) == (0, 1, 0)
    assert kinds(judgement) == [("false_link", False, True)]


@pytest.mark.parametrize("entity", [None, "not in the KB"])
def test_a_link_to_gold_outside_the_kb_is_wrong(entity: str | None) -> None:
    document = labelled(gold(0, 3, entity))
    judgement = judged(document, link(0, 3, "A"))
    assert counts(judgement) == (0, 1, 0)
    assert kinds(judgement) == [("false_link", False, True)]
    right = judged(document, link(0, 3, None))
    assert counts(right) == (0, 0, 0)
    assert (right.nil_right, right.nil_answered, right.nil_gold) == (1, 1, 1)


@pytest.mark.parametrize("kind", sorted(NEUTRAL_KINDS))
def test_neutral_gold_counts_neither_way(kind: str) -> None:
    document = labelled(gold(5, 8, "A", kind))
    assert counts(judged(document)) == (0, 0, 0)
    for ignored in (link(5, 8, "A"), link(5, 8, "B"), link(6, 9, "B"), link(0, 20, "B")):
        judgement = judged(document, ignored)
        assert counts(judgement) == (0, 0, 0)
        assert judgement.spans_judged == 0
        assert kinds(judgement) == []
    assert counts(judged(document, link(8, 9, "B"))) == (0, 1, 0)  # beside it


def test_nested_gold_inside_counting_gold() -> None:
    document = labelled(gold(0, 10, "A"), gold(4, 10, "B", "nested"))
    assert counts(judged(document, link(0, 10, "A"), link(4, 10, "B"))) == (1, 0, 0)
    # Another span inside: it overlaps both, and counting gold decides.
    inside = judged(document, link(0, 10, "A"), link(3, 10, "B"))
    assert counts(inside) == (1, 1, 0)
    assert kinds(inside) == [("wrong_span", False, True)]
    # Only the nested one: ignored, but the gold was touched, so it is not "not detected".
    only = judged(document, link(4, 10, "B"))
    assert counts(only) == (0, 0, 1)
    assert kinds(only) == [("wrong_span", True, False)]


def test_counting_gold_decides_where_the_same_span_is_also_neutral() -> None:
    document = labelled(gold(0, 5, "A"), gold(0, 5, "B", "nested"))
    assert counts(judged(document, link(0, 5, "A"))) == (1, 0, 0)
    assert counts(judged(document, link(0, 5, "B"))) == (0, 1, 1)


def test_wrong_span_is_one_case_with_two_sides() -> None:
    judgement = judged(labelled(gold(0, 10, "A")), link(2, 10, "A"))
    assert counts(judgement) == (0, 1, 1)
    assert kinds(judgement) == [("wrong_span", True, True)]


def test_one_link_over_two_golds_is_blamed_once() -> None:
    judgement = judged(labelled(gold(0, 5, "A"), gold(6, 10, "B")), link(0, 10, "A"))
    assert counts(judgement) == (0, 1, 2)
    assert kinds(judgement) == [("wrong_span", True, True), ("wrong_span", True, False)]


def test_two_links_inside_one_gold() -> None:
    judgement = judged(labelled(gold(0, 10, "A")), link(0, 4, "A"), link(5, 10, "B"))
    assert counts(judgement) == (0, 2, 1)
    assert kinds(judgement) == [("wrong_span", True, True), ("wrong_span", False, True)]
    assert judgement.errors[0].link == link(5, 10, "B")  # it shares more with the gold


def test_a_wrong_span_of_gold_outside_the_kb_is_a_false_link() -> None:
    judgement = judged(labelled(gold(0, 10, None)), link(2, 10, "A"))
    assert counts(judgement) == (0, 1, 0)
    assert kinds(judgement) == [("false_link", False, True)]


def test_nil_answers_with_a_wrong_span_are_no_links() -> None:
    judgement = judged(labelled(gold(0, 10, "A")), link(2, 10, None))
    assert counts(judgement) == (0, 0, 1)
    assert kinds(judgement) == [("wrong_span", True, False)]
    assert (judgement.nil_right, judgement.nil_answered) == (0, 1)


def test_evaluation_span_edges() -> None:
    document = labelled(
        gold(5, 10, "A"),  # begins at the edge
        gold(15, 20, "B"),  # ends at it
        gold(18, 22, "C"),  # crosses it: neutral
        gold(30, 33, "D"),  # outside: as if it were not there
        area=(5, 20),
    )
    assert [m.entity for m in document.counting()] == ["A", "B"]
    assert [m.entity for m in document.neutral()] == ["C"]
    assert counts(judged(document, link(5, 10, "A"), link(15, 20, "B"))) == (2, 0, 0)
    ignored = (link(0, 3, "A"), link(4, 10, "A"), link(18, 22, "C"), link(15, 21, "B"), link(30, 33, "A"))
    assert counts(judged(document, *ignored)) == (0, 0, 2)
    assert kinds(judged(document, *ignored)) == [("not_detected", True, False)] * 2
    assert counts(judged(document, link(10, 12, "A"))) == (0, 1, 2)


def test_a_link_that_touches_gold_across_the_edge_is_ignored() -> None:
    document = labelled(gold(18, 22, "C"), area=(5, 20))
    assert counts(judged(document, link(18, 20, "C"))) == (0, 0, 0)


def test_the_same_answer_twice_counts_once() -> None:
    document = labelled(gold(0, 3, "A"))
    twice = judged(document, link(0, 3, "A", 0.2), link(0, 3, "A", 0.7))
    assert counts(twice) == (1, 0, 0)
    assert [answer.confidence for answer in twice.answers] == [0.7]


def test_another_entity_on_the_same_span_is_another_link() -> None:
    document = labelled(gold(0, 3, "A"))
    both = judged(document, link(0, 3, "B", 0.8, ["B", "A"]), link(0, 3, "A", 0.2))
    assert counts(both) == (1, 1, 0)
    assert kinds(both) == [("wrong_choice", False, True)]
    assert (both.spans_right, both.spans_judged) == (1, 1)
    neither = judged(document, link(0, 3, "B", 0.8), link(0, 3, "C", 0.9))
    assert counts(neither) == (0, 2, 1)
    assert kinds(neither) == [("gold_not_among_candidates", True, True), ("gold_not_among_candidates", False, True)]
    assert neither.errors[0].link == link(0, 3, "C", 0.9)


def test_targets_remember_candidates() -> None:
    document = labelled(gold(0, 3, "D"), gold(4, 6, "B"))
    first, second = judged(
        document, link(0, 3, "D", candidates=["D"]), link(4, 6, "C", candidates=["C", "A", "B"])
    ).targets
    assert (first.count, first.rank, first.candidates, first.ambiguous) == (5000, 1, 1, False)
    assert (second.count, second.rank, second.candidates, second.ambiguous) == (5, 3, 3, True)
    assert second.found_by == ("alias",)


def test_empty_document() -> None:
    judgement = judged(labelled(text=""))
    assert counts(judgement) == (0, 0, 0)
    assert judgement.spans_gold == 0


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
entities = st.sampled_from(["A", "B", "C", "D", None, "elsewhere"])


@st.composite
def documents(draw: st.DrawFn) -> LabelledDocument:
    found: dict[tuple[int, int, bool], GoldMention] = {}
    for start, end in draw(st.lists(spans, max_size=6)):
        kind = draw(st.sampled_from(["gold", "gold", "nested", "optional", "coref"]))
        found.setdefault((start, end, kind in NEUTRAL_KINDS), gold(start, end, draw(entities), kind))
    area = draw(st.none() | st.just((3, 25)))
    return labelled(*found.values(), area=area)


@st.composite
def answers(draw: st.DrawFn) -> list[Link]:
    confidence = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
    choice = st.sampled_from(["A", "B", "C", "D", None])
    names = st.lists(st.sampled_from("ABCD"), unique=True, max_size=4)
    return [
        link(start, end, draw(choice), draw(confidence), draw(names))
        for start, end in draw(st.lists(spans, max_size=8))
    ]


@settings(deadline=None)
@given(documents(), answers())
def test_errors_add_up(document: LabelledDocument, links: list[Link]) -> None:
    judgement = judged(document, *links)
    right, wrong, missed = counts(judgement)
    assert sum(case.missed for case in judgement.errors) == missed
    assert sum(case.wrong for case in judgement.errors) == wrong
    assert right == sum(target.correct for target in judgement.targets)
    assert all(case.gold is not None or case.link is not None for case in judgement.errors)
    assert 0 <= judgement.spans_right <= min(judgement.spans_judged, judgement.spans_gold)
    assert 0 <= judgement.nil_right <= min(judgement.nil_answered, judgement.nil_gold)


@settings(deadline=None)
@given(documents(), answers(), st.randoms(use_true_random=False))
def test_the_order_of_links_does_not_matter(document: LabelledDocument, links: list[Link], random: Random) -> None:
    shuffled = list(links)
    random.shuffle(shuffled)
    one, other = judged(document, *links), judged(document, *shuffled)
    assert counts(one) == counts(other)
    assert Counter(kinds(one)) == Counter(kinds(other))
    assert [answer.confidence for answer in one.answers] == [answer.confidence for answer in other.answers]


@settings(deadline=None)
@given(documents())
def test_no_answer_misses_every_target_and_nothing_else(document: LabelledDocument) -> None:
    judgement = judged(document)
    in_kb = [m for m in document.counting() if m.entity is not None and KB.contains(m.entity)]
    assert counts(judgement) == (0, 0, len(in_kb))


@settings(deadline=None)
@given(st.lists(spans, max_size=12), spans)
def test_span_index_finds_what_overlaps(items: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    mentions = [gold(start, end, None) for start, end in items]
    start, end = asked
    expected = sorted(m.key for m in mentions if m.start < end and start < m.end)
    index = SpanIndex(mentions)
    assert [m.key for m in index.overlapping(start, end)] == expected
    closest = index.closest(start, end)
    assert (closest is None) == (not expected)
