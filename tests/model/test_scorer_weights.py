"""The scorer: scores are sums of contributions, probabilities sum to one, and unfit weights are told."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model import mentions
from model.comparison import CANDIDATE_SEEN, NIL_SEEN
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable
from model.linker import Linker
from model.scorer import (
    WEIGHTS,
    FeatureScorer,
    ScorerError,
    Scores,
    SingleFeatureScorer,
    load_scorer,
    probabilities,
)
from model.types import Document, LinkOptions, Span

SHIPPED = json.loads(WEIGHTS.read_text())
FINITE = st.floats(-50, 50, width=32)


@pytest.fixture
def scorer() -> FeatureScorer:
    return load_scorer()


def test_contributions_sum_to_the_score(scorer: FeatureScorer) -> None:
    random = np.random.default_rng(0)
    table = FeatureTable(
        random.normal(size=(5, len(CANDIDATE_FEATURES))).astype(np.float32),
        random.normal(size=(3, len(NIL_FEATURES))).astype(np.float32),
    )
    mention = np.array([0, 0, 0, 2, 2], dtype=np.int32)  # mention 1 has no candidates
    scores = scorer.score(SimpleNamespace(mention=mention), table)  # type: ignore[arg-type]
    assert scores.contributions is not None
    np.testing.assert_allclose(scores.contributions.sum(axis=1), scores.raw, rtol=1e-5)
    weights = np.array([SHIPPED["candidate"][name] for name in CANDIDATE_FEATURES])
    linear = table.candidates @ weights
    expected = np.zeros((3, len(CANDIDATE_FEATURES)))
    for which in (0, 2):
        own = mention == which
        expected[which] = np.average(table.candidates[own], axis=0, weights=np.exp(linear[own] - linear[own].max()))
    seen = np.concatenate([table.candidates, table.candidates - expected[mention]], axis=1)
    assert scores.names == (*CANDIDATE_FEATURES, "together")
    np.testing.assert_allclose(scores.raw, linear + said("together", CANDIDATE_SEEN, seen), rtol=1e-4, atol=1e-3)
    nil = table.nil @ np.array([SHIPPED["nil"][name] for name in NIL_FEATURES])
    nil_seen = np.concatenate([table.nil, expected], axis=1)
    np.testing.assert_allclose(scores.nil, nil + said("nil_together", NIL_SEEN, nil_seen), rtol=1e-4, atol=1e-3)


def said(part: str, names: tuple[str, ...], values: np.ndarray) -> np.ndarray:
    """Return what the shipped hidden units of a part add to rows of features."""
    total = np.zeros(len(values))
    for unit in SHIPPED[part]:
        inner = np.array([unit["weights"][name] for name in names])
        total += unit["outer"] * np.maximum(values @ inner + unit["bias"], 0)
    return total


def test_answers_show_contributions_that_sum_to_their_scores(starter_linker: Linker) -> None:
    options = LinkOptions(max_candidates=30)
    (answer,) = starter_linker.link([Document("x", "Jordan won with the Chicago Bulls in Chicago.")], options)
    candidates = [candidate for link in answer.links for candidate in link.candidates]
    assert len(candidates) > 10
    for candidate in candidates:
        assert sum(candidate.features.values()) == pytest.approx(candidate.score, abs=0.002)
        assert set(candidate.features) <= {*CANDIDATE_FEATURES, "together"}


@given(arrays(np.float32, 7, elements=FINITE), arrays(np.float32, 4, elements=FINITE))
def test_probabilities_of_a_mention_sum_to_one(raw: np.ndarray, nil: np.ndarray) -> None:
    mention = np.array([0, 0, 0, 1, 3, 3, 3], dtype=np.int32)  # mention 2 has no candidates
    candidates, none = probabilities(mention, Scores(raw, nil, None, ()))
    sums = none.copy()
    np.add.at(sums, mention, candidates)
    np.testing.assert_allclose(sums, 1, rtol=1e-4)
    assert none[2] == 1
    for which in (0, 3):
        own = mention == which
        assert np.argmax(candidates[own]) in np.flatnonzero(candidates[own] == candidates[own][np.argmax(raw[own])])


def test_candidates_that_are_ruled_out_have_no_probability() -> None:
    raw = np.array([1.0, -np.inf, -np.inf], dtype=np.float32)
    candidates, none = probabilities(
        np.array([0, 0, 1], dtype=np.int32), Scores(raw, np.zeros(2, np.float32), None, ())
    )
    assert candidates[1] == candidates[2] == 0
    assert none[1] == 1


@given(arrays(np.float32, 20, elements=st.floats(0, 1, width=32)))
def test_calibration_is_monotone_and_a_probability(probability: np.ndarray) -> None:
    ordered = np.sort(probability)
    confidence = load_scorer().calibrate(ordered)
    assert (np.diff(confidence) >= 0).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_mention_scores_are_probabilities(scorer: FeatureScorer) -> None:
    cues = np.random.default_rng(1).normal(scale=3, size=(50, len(mentions.FEATURES))).astype(np.float32)
    scores = scorer.mention_scores(cues)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_a_baseline_ranks_by_its_one_feature(scorer: FeatureScorer, starter_linker: Linker) -> None:
    baseline = SingleFeatureScorer("prior-only", "log_prior", scorer, 1.0)
    linker = Linker(starter_linker.encoder, starter_linker.source, starter_linker.store, baseline)
    options = LinkOptions(max_candidates=30)
    text = "Jordan won six titles with the Chicago Bulls."
    (answer,) = linker.link([Document("x", text, (Span(0, 6),))], options)
    (jordan,) = answer.links
    assert jordan.entity == "Jordan"  # the most frequent one, whatever the text says
    assert jordan.candidates[0].features == {}
    assert baseline.threshold == scorer.threshold


def write(path: Path, change: str, value: object) -> Path:
    weights = json.loads(WEIGHTS.read_text())
    part, _, name = change.partition("/")
    if name and value is None:
        del weights[part][name]
    elif name:
        weights[part][name] = value
    elif value is None:
        del weights[part]
    else:
        weights[part] = value
    path.write_text(json.dumps(weights))
    return path


@pytest.mark.parametrize(
    ("change", "value", "told"),
    [
        ("candidate/log_prior", None, "the features differ: log_prior"),
        ("candidate/unheard_of", 1.0, "the features differ: unheard_of"),
        ("nil/nil", None, "the features differ: nil"),
        ("mention/bias", "much", "could not convert string to float: 'much'"),
        ("mention", [1, 2], "mention is not an object"),
        ("link", None, "link"),
        ("link/mention_log_odds", None, "the features differ: mention_log_odds"),
        ("calibration", None, "calibration"),
        ("calibration/slope", None, "slope"),
        ("version", None, "version"),
    ],
)
def test_weights_for_something_else_are_told(tmp_path: Path, change: str, value: object, told: str) -> None:
    path = write(tmp_path / "features.json", change, value)
    with pytest.raises(ScorerError, match=r"cannot be used \(.*\): fit it again with `namesake fit`") as error:
        load_scorer(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"7", b"\xff", WEIGHTS.read_bytes()[:200]])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "features.json").write_bytes(content)
    with pytest.raises(ScorerError, match="cannot be used"):
        load_scorer(tmp_path / "features.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5])
def test_numbers_that_make_no_sense_are_told(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "features.json", "calibration/slope", value)
    with pytest.raises(ScorerError, match="cannot be used"):
        load_scorer(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match="is missing: fit it with `namesake fit`"):
        load_scorer(tmp_path / "features.json")
