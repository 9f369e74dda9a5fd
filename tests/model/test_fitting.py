"""Fitting the scorer: always the same weights for a seed, weights that can be used, and clear refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model.comparison import CANDIDATE_SEEN, NIL_SEEN
from model.evaluation import GoldMention, LabelledDocument
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable
from model.features import FEATURES as FEATURES_OF_CHOICES
from model.fitting.ablations import GROUPS, check_groups, columns
from model.fitting.collecting import Collected, FitError, collect
from model.fitting.examples import Unseen, every_mention
from model.fitting.fit import FitReport, learn, save, untrained
from model.fitting.interactions import fit_interactions
from model.fitting.linking import SPEAKS_AGAINST, SPEAKS_FOR
from model.fitting.logit import Choices, fit_choices
from model.fitting.pages import PageCounts, page_of
from model.link_evidence import LINK_FEATURES
from model.linker import Linker
from model.mentions import FEATURES
from model.scorer import FeatureScorer, load_scorer
from model.types import Document

SENTENCES = [
    ("{} is the planet nearest the Sun.", "Mercury", "Mercury_(planet)"),
    ("{} won six titles with the Chicago Bulls in the NBA.", "Michael Jordan", "Michael_Jordan"),
    ("Amman is the capital of {}, which borders Syria.", "Jordan", "Jordan"),
    ("{} shares a border with Armenia in the Caucasus.", "Georgia", "Georgia_(country)"),
    ("{} unveiled a new luxury sports car.", "Jaguar", "Jaguar_Cars"),
    ("The Louvre in {} is the largest museum of France.", "Paris", "Paris"),
    ("Berlin is the capital of {}, and of nothing else.", "Germany", "Germany"),
    ("The chancellor {} spoke to the press.", "Angela Merkel", "Angela_Merkel"),
]
OPENINGS = ["", "It is said that once again ", "In those years, ", "Nobody knew why, but ", "Then ", "Here "]


def labelled(number: int, opening: str, sentence: tuple[str, str, str]) -> LabelledDocument:
    before, _, after = sentence[0].partition("{}")
    text = opening + before + sentence[1] + after
    start = len(opening + before)
    mention = GoldMention(start, start + len(sentence[1]), sentence[2], "anchor")
    return LabelledDocument(f"wiki/Page{number}#0", "wiki", text, (mention,))


DOCUMENTS = [
    labelled(index, opening, sentence)
    for index, (opening, sentence) in enumerate((opening, sentence) for opening in OPENINGS for sentence in SENTENCES)
]


@pytest.fixture(scope="module")
def untrained_linker(starter_linker: Linker) -> Linker:
    return Linker(starter_linker.encoder, starter_linker.source, starter_linker.store, FeatureScorer(untrained()))


def fitted(
    linker: Linker,
    documents: list[LabelledDocument],
    exhaustive: list[LabelledDocument] | None = None,
    seed: int = 0,
    counted: frozenset[str] = frozenset(),
) -> FitReport:
    whole = documents if exhaustive is None else exhaustive
    return learn(linker, collected_from(linker, documents, whole, counted, seed), "trial", seed)


def collected_from(
    linker: Linker,
    documents: list[LabelledDocument] = DOCUMENTS,
    exhaustive: list[LabelledDocument] = DOCUMENTS,
    counted: frozenset[str] = frozenset(),
    seed: int = 0,
    **more: Any,
) -> Collected:
    pages = PageCounts(linker.source, linker.store, {page_of(d.id) for d in (*documents, *exhaustive)})
    pages.add(documents)
    return collect(linker, documents, pages, exhaustive, counted, seed, lambda _step, _done, _total: None, **more)


@pytest.fixture(scope="module")
def report(untrained_linker: Linker) -> FitReport:
    return fitted(untrained_linker, DOCUMENTS)


def test_a_seed_gives_the_same_weights_again(untrained_linker: Linker, report: FitReport) -> None:
    assert fitted(untrained_linker, DOCUMENTS).weights == report.weights
    assert fitted(untrained_linker, DOCUMENTS, seed=1).weights != report.weights


def test_the_report_counts_what_it_saw(report: FitReport) -> None:
    assert report.documents == report.mentions == len(DOCUMENTS)
    assert 0 < report.held_out_mentions < len(DOCUMENTS) / 2
    assert 0 <= report.held_out_accuracy <= 1
    assert 0 <= report.held_out_calibration_error <= 1
    assert report.detection_f1 > 0.5
    assert "48 documents, 48 mentions" in report.summary()


def test_fitted_weights_can_be_saved_loaded_and_used(starter_linker: Linker, report: FitReport, tmp_path: Path) -> None:
    save(report.weights, tmp_path / "deep" / "features.json")
    scorer = load_scorer(tmp_path / "deep" / "features.json")
    assert scorer.version == "trial"
    linker = Linker(starter_linker.encoder, starter_linker.source, starter_linker.store, scorer)
    answers = linker.link([Document(d.id, d.text) for d in DOCUMENTS])
    found = [{(link.start, link.end, link.entity) for link in answer.links} for answer in answers]
    gold = [(d.mentions[0].start, d.mentions[0].end, d.mentions[0].entity) for d in DOCUMENTS]
    assert sum(right in links for right, links in zip(gold, found, strict=True)) > 0.7 * len(gold)


def test_every_feature_has_a_weight(report: FitReport) -> None:
    for part, names in (
        ("candidate", CANDIDATE_FEATURES),
        ("nil", NIL_FEATURES),
        ("mention", FEATURES),
        ("link", LINK_FEATURES),
    ):
        weights = report.weights[part]
        assert isinstance(weights, dict)
        assert tuple(weights) == names
        assert all(isinstance(weight, float) for weight in weights.values())


def test_what_agrees_with_a_link_never_speaks_against_it(report: FitReport) -> None:
    weights = report.weights["link"]
    assert isinstance(weights, dict)
    assert all(weights[name] >= 0 for name in SPEAKS_FOR)
    assert all(weights[name] <= 0 for name in SPEAKS_AGAINST)


def test_links_that_were_counted_teach_detection_too(untrained_linker: Linker) -> None:
    alone = fitted(untrained_linker, DOCUMENTS, DOCUMENTS[:8])
    both = fitted(untrained_linker, DOCUMENTS, DOCUMENTS[:8], counted=frozenset({"wiki"}))
    assert both.weights["candidate"] == alone.weights["candidate"]
    assert both.weights["mention"] != alone.weights["mention"]


def test_links_that_were_counted_teach_when_to_answer_too(untrained_linker: Linker) -> None:
    def learned(unseen: Unseen) -> FitReport:
        collected = collected_from(untrained_linker, DOCUMENTS, DOCUMENTS[:8], frozenset({"wiki"}), unseen=unseen)
        assert {document.id for document in collected.partial} == {d.id for d in DOCUMENTS if all(unseen(d))}
        return learn(untrained_linker, collected, "trial", 0)

    every, some = learned(every_mention), learned(lambda document: [document.id < DOCUMENTS[30].id])
    assert every.weights["link"] != some.weights["link"]


def test_exhaustive_documents_teach_ranking_too(untrained_linker: Linker, report: FitReport) -> None:
    some = fitted(untrained_linker, DOCUMENTS, DOCUMENTS[:8])
    assert some.weights["candidate"] != report.weights["candidate"]


def without_links(document: LabelledDocument) -> LabelledDocument:
    return LabelledDocument(document.id, document.source, document.text, ())


def with_unknown_links(document: LabelledDocument) -> LabelledDocument:
    (mention,) = document.mentions
    unknown = GoldMention(mention.start, mention.end, "Nowhere_at_all", "anchor")
    return LabelledDocument(document.id, document.source, document.text, (unknown,))


@pytest.mark.parametrize(
    "documents", [[], [without_links(d) for d in DOCUMENTS], [with_unknown_links(d) for d in DOCUMENTS]]
)
def test_documents_that_teach_nothing_are_refused(untrained_linker: Linker, documents: list[LabelledDocument]) -> None:
    with pytest.raises(
        FitError, match=r"names an entity of the knowledge base .*; give documents of this knowledge base"
    ):
        fitted(untrained_linker, documents, DOCUMENTS)


def test_too_few_pages_are_refused(untrained_linker: Linker) -> None:
    with pytest.raises(FitError, match=r"held out for the calibration .* of enough pages \(one in 7 is held out\)"):
        fitted(untrained_linker, DOCUMENTS[:1])


@pytest.mark.parametrize("exhaustive", [[], [without_links(d) for d in DOCUMENTS]])
def test_detection_cannot_be_learned_without_marked_mentions(
    untrained_linker: Linker, exhaustive: list[LabelledDocument]
) -> None:
    with pytest.raises(FitError, match="no document has all its mentions marked; give some with --exhaustive"):
        fitted(untrained_linker, DOCUMENTS, exhaustive)


def test_names_are_made_ambiguous_before_ranking_is_learned(untrained_linker: Linker) -> None:
    seen: list[str] = []

    def shortened(document: LabelledDocument) -> LabelledDocument:
        seen.append(document.id)
        return replace(document, text=document.text.lower())

    plain, lowered = collected_from(untrained_linker), collected_from(untrained_linker, shortened=shortened)
    held_out = {example.document for example in plain.held_out}
    assert held_out
    assert seen == [document.id for document in DOCUMENTS if document.id not in held_out]
    assert lowered.detection.named(FEATURES, "mention") == plain.detection.named(FEATURES, "mention")
    column = CANDIDATE_FEATURES.index("same_letters")
    assert any(example.values.candidates[:, column].any() for example in plain.kept)
    assert not any(example.values.candidates[:, column].any() for example in lowered.kept)


def test_every_feature_that_is_left_out_gets_no_weight(untrained_linker: Linker, report: FitReport) -> None:
    collected = collected_from(untrained_linker)
    assert learn(untrained_linker, collected, "trial", 0).weights == report.weights
    left_out = {*GROUPS["types"], *GROUPS["popularity"]}
    weights = learn(untrained_linker, collected, "trial", 0, ["types", "popularity"]).weights
    for part in ("candidate", "nil"):
        fitted_weights, whole = weights[part], report.weights[part]
        assert isinstance(fitted_weights, dict)
        assert isinstance(whole, dict)
        assert {name for name, weight in fitted_weights.items() if weight} == {
            name for name, weight in whole.items() if weight
        } - left_out
    assert weights["mention"] == report.weights["mention"]


def test_hidden_units_do_not_see_what_is_left_out() -> None:
    random = np.random.default_rng(0)
    count, split = 2_000, len(CANDIDATE_FEATURES)  # from here on there are hidden units
    values = np.zeros((3 * count, len(FEATURES_OF_CHOICES)))
    values[:, :split] = random.normal(size=(3 * count, split))
    values[2::3, :split], values[2::3, split:] = 0, random.normal(size=(count, len(NIL_FEATURES)))
    left_out = [columns(["meaning"], names) for names in (CANDIDATE_FEATURES, NIL_FEATURES)]
    chosen = np.arange(count) * 3 + random.integers(0, 3, count)
    choices = Choices(values, np.repeat(np.arange(count), 3), chosen, np.ones(count))
    units, nil_units = fit_interactions(choices, np.zeros(values.shape[1]), *left_out, 0)
    assert (len(units), len(nil_units)) == (64, 16)
    weights, nil_weights = (np.array([unit.weights for unit in found]) for found in (units, nil_units))
    assert (weights.shape[1], nil_weights.shape[1]) == (len(CANDIDATE_SEEN), len(NIL_SEEN))
    for seen, unseen in ((weights[:, :split], left_out[0]), (weights[:, split:], left_out[0])):
        assert not seen[:, unseen].any()
        assert seen[:, columns(["types"])].all()
    assert not nil_weights[:, :-split][:, left_out[1]].any()
    assert not nil_weights[:, -split:][:, left_out[0]].any()
    assert nil_weights[:, :-split][:, columns(["popularity"], NIL_FEATURES)].all()


def test_hidden_units_learn_what_depends_on_the_other_candidates() -> None:
    """A candidate is right if it is the popular one of two, but only where the two are close in everything else."""
    random = np.random.default_rng(0)
    count, split = 6_000, len(CANDIDATE_FEATURES)
    prior, usage = CANDIDATE_FEATURES.index("prior"), CANDIDATE_FEATURES.index("usage")
    values = np.zeros((3 * count, len(FEATURES_OF_CHOICES)))
    values[:, [prior, usage]] = random.normal(size=(3 * count, 2))
    values[2::3] = 0
    apart = values[0::3] - values[1::3]
    first = np.where(np.abs(apart[:, usage]) > 1, apart[:, usage], apart[:, prior]) > 0
    groups, chosen = np.repeat(np.arange(count), 3), np.arange(count) * 3 + ~first
    choices = Choices(values, groups, chosen, np.ones(count))
    linear = fit_choices(choices)
    units, nil_units = fit_interactions(choices, linear, [], [], 0)
    weights = untrained() | {
        "candidate": dict(zip(CANDIDATE_FEATURES, linear[:split].tolist(), strict=True)),
        "nil": dict.fromkeys(NIL_FEATURES, 0.0) | {"nil": -50.0},
    }
    with_units = {
        "together": [unit.named(CANDIDATE_SEEN) for unit in units],
        "nil_together": [unit.named(NIL_SEEN) for unit in nil_units],
    }
    candidates = np.delete(values, np.s_[2::3], axis=0)[:, :split].astype(np.float32)
    table = FeatureTable(candidates, np.zeros((count, len(NIL_FEATURES)), np.float32))
    of_mention = SimpleNamespace(mention=np.repeat(np.arange(count, dtype=np.int32), 2))

    def right(weights: dict[str, object]) -> float:
        raw = FeatureScorer(weights).score(of_mention, table).raw  # type: ignore[arg-type]
        return float(((raw[0::2] > raw[1::2]) == first).mean())

    assert right(weights) < 0.9
    assert right(weights | with_units) > 0.95


def test_groups_name_features_that_exist_and_share_none() -> None:
    named = [feature for group in GROUPS.values() for feature in group]
    assert set(named) <= {*CANDIDATE_FEATURES, *NIL_FEATURES}
    assert len(named) == len(set(named))


def test_what_is_no_group_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no group of features 'type': name one of types, relations, .*hidden-units"):
        check_groups(["relations", "type"])
