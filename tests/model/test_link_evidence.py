"""When a found mention is answered: the evidence on it, and what the scorer makes of that."""

from __future__ import annotations

import json

import numpy as np

from model import mentions
from model.answers import Answers
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.link_evidence import LINK_FEATURES, SUREST, LinkEvidence
from model.linker import Linker
from model.prepared import Mentioned
from model.scorer import WEIGHTS, FeatureScorer, SingleFeatureScorer, load_scorer
from model.types import Document, LinkOptions, Span

TEXT = "Jordan won six titles with the Chicago Bulls, and the painter Zebulon Quuxington saw it in Chicago."
SHIPPED = json.loads(WEIGHTS.read_text())


def evidence(count: int) -> LinkEvidence:
    random = np.random.default_rng(3)
    probability = random.random((3, count)).astype(np.float32)
    probability[:, 0] = 0, 1, 0.5
    sizes = len(mentions.FEATURES), len(CANDIDATE_FEATURES), len(NIL_FEATURES)
    return LinkEvidence(*probability, *(random.normal(size=(count, size)).astype(np.float32) for size in sizes))


def test_every_number_has_a_name_of_its_own() -> None:
    assert len(set(LINK_FEATURES)) == len(LINK_FEATURES)
    some = evidence(7)
    values = some.values()
    assert values.shape == (7, len(LINK_FEATURES))
    np.testing.assert_allclose(
        values[1:, 0], np.log(some.mention_scores[1:] / (1 - some.mention_scores[1:])), rtol=1e-4
    )
    most = np.log((1 - SUREST) / SUREST)
    np.testing.assert_allclose(values[0, :3], [-most, most, 0], rtol=1e-4)
    for part, name in ((some.cues, "link_log_odds"), (some.best, "meaning"), (some.nil_features, "nil_best_prior")):
        names = next(each for each in (mentions.FEATURES, CANDIDATE_FEATURES, NIL_FEATURES) if name in each)
        np.testing.assert_array_equal(values[:, LINK_FEATURES.index(name)], part[:, names.index(name)])


def test_confidence_is_a_logistic_function_of_the_weighed_evidence() -> None:
    some = evidence(5)
    weights = np.array([SHIPPED["link"][name] for name in LINK_FEATURES])
    expected = 1 / (1 + np.exp(-(some.values() @ weights)))
    np.testing.assert_allclose(load_scorer().link_confidence(some), expected, rtol=1e-3, atol=1e-6)


def test_a_baseline_takes_mention_and_candidate_for_independent() -> None:
    some = evidence(5)
    baseline = SingleFeatureScorer("prior-only", "log_prior", load_scorer(), 1.0)
    np.testing.assert_allclose(baseline.link_confidence(some), some.mention_scores * some.confidence)


def answers(linker: Linker, **changes: float) -> Answers:
    """Link TEXT with some of the shipped weights changed."""
    scorer = FeatureScorer(SHIPPED | {"calibration": SHIPPED["calibration"] | changes})
    document = Document("x", TEXT)
    (encoded,) = linker.encode([document])
    assert encoded is not None
    prepared = linker.prepare([Mentioned(document, encoded, linker.detect(TEXT, encoded))])
    scores = scorer.score(prepared.table, prepared.features)
    return Answers(prepared, scores, LinkOptions(max_candidates=3), scorer, linker.store)


def test_found_mentions_are_linked_from_the_threshold_on(starter_linker: Linker) -> None:
    ((*every,),) = answers(starter_linker, threshold=0.0).of_documents()
    linked = sorted(link.confidence for link in every if link.entity)
    level = linked[len(linked) // 2]
    ((*sure,),) = answers(starter_linker, threshold=level).of_documents()
    assert [link for link in sure if link.entity] == [
        link for link in every if link.confidence >= level and link.entity
    ]
    assert 0 < len([link for link in sure if link.entity]) < len(linked)


def test_what_is_likelier_absent_than_not_is_told_as_nil(starter_linker: Linker) -> None:
    ((*links,),) = answers(starter_linker).of_documents()
    (painter,) = [link for link in links if link.text == "Zebulon Quuxington"]
    assert painter.entity is None
    assert painter.confidence == painter.nil_probability > 0.5
    assert painter.mention_score >= 0.5
    ((*none,),) = answers(starter_linker, threshold=1.1).of_documents()
    assert {link.entity for link in none} == {None}
    assert all(link.nil_probability >= 0.5 for link in none)


def test_a_found_mention_is_as_sure_as_its_evidence_and_a_given_one_as_its_candidate(starter_linker: Linker) -> None:
    (found,) = starter_linker.link([Document("x", TEXT)], LinkOptions(max_candidates=1))
    spans = tuple(Span(link.start, link.end) for link in found.links)
    (given,) = starter_linker.link([Document("x", TEXT, spans)], LinkOptions(max_candidates=1))
    assert len(given.links) == len(found.links)
    for one, other in zip(found.links, given.links, strict=True):
        if one.entity and other.entity == one.entity:
            assert other.confidence == other.candidates[0].confidence
            assert one.confidence != one.candidates[0].confidence
