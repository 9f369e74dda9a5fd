"""Each feature's value on a knowledge base that is small enough to compute it by hand."""

from __future__ import annotations

import numpy as np
import pytest
from encoder_texts import WORDS

from model import features
from model.encoder import unit
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, SMOOTHING
from model.linker import Linker, given_spans
from model.mention_vectors import LOCAL, mention_vectors
from model.prepared import Mentioned, Prepared
from model.types import Document, Span
from model.windows import EncodedText

TEXT = "Helen of Troy left with Paris, who never saw France."
NAMES = ("Troy", "Paris", "France")


def prepare(linker: Linker, text: str = TEXT, names: tuple[str, ...] = NAMES) -> Prepared:
    spans = tuple(Span(text.index(name), text.index(name) + len(name)) for name in names)
    document = Document("x", text, spans)
    (encoded,) = linker.encode([document])
    assert encoded is not None
    return linker.prepare([Mentioned(document, encoded, given_spans(document)[0])])


@pytest.fixture(scope="module")
def prepared(tiny_linker: Linker) -> Prepared:
    return prepare(tiny_linker)


def value(linker: Linker, prepared: Prepared, mention: int, entity: str, feature: str) -> float:
    ordinal = linker.store.ordinal(entity)
    (row,) = np.flatnonzero((prepared.table.mention == mention) & (prepared.table.ordinal == ordinal))
    return float(prepared.features.candidates[row, CANDIDATE_FEATURES.index(feature)])


def nil(prepared: Prepared, mention: int, feature: str) -> float:
    return float(prepared.features.nil[mention, NIL_FEATURES.index(feature)])


def size(prepared: Prepared, mention: int) -> int:
    return int((prepared.table.mention == mention).sum())


def test_priors(tiny_linker: Linker, prepared: Prepared) -> None:
    total = 100 + SMOOTHING * size(prepared, 1)
    for entity, count in (("Paris", 90), ("Paris_(mythology)", 10), ("Paris,_Texas", 0)):
        expected = np.log((count + SMOOTHING) / total)
        assert value(tiny_linker, prepared, 1, entity, "log_prior") == pytest.approx(expected, abs=1e-5)
        assert value(tiny_linker, prepared, 1, entity, "prior") == pytest.approx(count / 100)
        assert value(tiny_linker, prepared, 1, entity, "never_linked_so") == (count == 0)
    for entity, popularity in (("Paris", 90), ("Paris,_Texas", 3)):
        assert value(tiny_linker, prepared, 1, entity, "log_popularity") == pytest.approx(np.log1p(popularity))


def test_names(tiny_linker: Linker, prepared: Prepared) -> None:
    assert value(tiny_linker, prepared, 1, "Paris", "alias_similarity") == 1
    assert value(tiny_linker, prepared, 1, "Paris", "same_letters") == 1
    # Of 5 + 12 characters, "paris" twice is the same.
    assert value(tiny_linker, prepared, 1, "Paris,_Texas", "alias_similarity") == pytest.approx(10 / 17)
    assert value(tiny_linker, prepared, 1, "Paris,_Texas", "same_letters") == 0
    assert value(tiny_linker, prepared, 1, "Paris,_Texas", "title_words") < 1
    lower = prepare(tiny_linker, TEXT.lower(), ("paris",))
    assert value(tiny_linker, lower, 0, "Paris", "alias_similarity") == 1
    assert value(tiny_linker, lower, 0, "Paris", "same_letters") == 0


def test_a_label_in_the_capitals_of_a_headline_has_the_same_letters_unless_it_could_be_an_acronym(
    tiny_linker: Linker,
) -> None:
    headline = prepare(tiny_linker, "PARIS OPERA NEAR TROY", ("PARIS OPERA", "TROY"))
    assert value(tiny_linker, headline, 0, "Paris_Opera_4", "same_letters") == 1
    assert value(tiny_linker, headline, 1, "Troy", "same_letters") == 0


def test_where_it_was_found(tiny_linker: Linker, prepared: Prepared) -> None:
    assert value(tiny_linker, prepared, 1, "Paris", "only_by_meaning") == 0
    unknown = prepare(tiny_linker, "They met Quux.", ("Quux",))
    assert unknown.features.candidates[:, CANDIDATE_FEATURES.index("only_by_meaning")].tolist() == [1.0] * 10
    misspelt = prepare(tiny_linker, "They saw Parris.", ("Parris",))
    assert value(tiny_linker, misspelt, 0, "Paris", "similar_name") == 1
    assert value(tiny_linker, prepared, 1, "Paris", "similar_name") == 0
    short = prepare(tiny_linker, "The Paris Opera is old. They say Paris alone.", ("Paris Opera", "Opera"))
    assert value(tiny_linker, short, 0, "Paris_Opera_4", "short_form") == 0
    assert value(tiny_linker, short, 1, "Paris_Opera_4", "short_form") == 1
    assert value(tiny_linker, short, 1, "Paris_Opera_4", "similar_name") == 0


def test_meaning(tiny_linker: Linker, prepared: Prepared) -> None:
    (encoded,) = tiny_linker.encode([prepared.documents[0].document])
    assert encoded is not None
    pieces = tiny_linker.encoder.wordpieces([TEXT])[0]
    (at,) = [index for index, (start, _) in enumerate(pieces.offsets) if start == TEXT.index("Paris")]
    (states,) = tiny_linker.encoder.hidden([pieces.ids])
    own, window = unit(states[1 + at]), unit(states.mean(axis=0))
    local = unit(states[1:-1][max(0, at - LOCAL) : at + 1 + LOCAL].sum(axis=0))
    assert tiny_linker.query_head is not None
    views = np.stack([own, local, window, states[1 + at], states[1 + at]])
    (query,), (typed,) = tiny_linker.query_head.read(views[None], unit(own + 0.5 * local + 0.5 * window)[None])
    ordinals = np.array([tiny_linker.store.ordinal("Paris")], dtype=np.int32)
    (title,) = tiny_linker.store.titles(ordinals)
    (description,), _ = tiny_linker.store.descriptions(ordinals)
    (types,), _ = tiny_linker.store.types(ordinals)
    for feature, expected in (
        ("title_mention", title @ own),
        ("title_window", title @ window),
        ("description_window", description @ window),
        ("description_local", description @ local),
        ("type_local", types @ local),
        ("type_mention", types @ own),
        ("meaning", unit(title + description) @ query),
        ("type_predicted", types @ typed),
    ):
        assert value(tiny_linker, prepared, 1, "Paris", feature) == pytest.approx(float(expected), abs=1e-4), feature


def test_what_is_not_known_counts_as_absent(tiny_linker: Linker, prepared: Prepared) -> None:
    for feature in ("description_window", "description_local", "type_local", "type_mention"):
        assert value(tiny_linker, prepared, 1, "Paris,_Texas", feature) == 0
    for feature in ("no_description", "no_types"):
        assert value(tiny_linker, prepared, 1, "Paris,_Texas", feature) == 1
        assert value(tiny_linker, prepared, 1, "Paris", feature) == 0


def test_relations_with_the_other_mentions(tiny_linker: Linker, prepared: Prepared) -> None:
    # France is all that "France" was ever linked to; 90 of 100 links of "Paris" mean the city. Both ends see the edge.
    assert value(tiny_linker, prepared, 1, "Paris", "relations") == pytest.approx(np.log1p(1.0))
    assert value(tiny_linker, prepared, 2, "France", "relations") == pytest.approx(np.log1p(0.9))
    assert value(tiny_linker, prepared, 1, "Paris", "related") == 1
    assert value(tiny_linker, prepared, 1, "Paris_(mythology)", "relations") == 0
    alone = prepare(tiny_linker, TEXT, ("Paris",))
    assert value(tiny_linker, alone, 0, "Paris", "related") == 0  # France among its own candidates does not count
    assert value(tiny_linker, alone, 0, "Paris", "coherence") == 0


def test_coherence_is_nearness_to_the_others(tiny_linker: Linker, prepared: Prepared) -> None:
    two = prepare(tiny_linker, TEXT, ("Troy", "Paris"))
    store = tiny_linker.store

    def vector(entity: str) -> np.ndarray:
        ordinals = np.array([store.ordinal(entity)], dtype=np.int32)
        return unit(store.titles(ordinals) + store.descriptions(ordinals)[0])[0]

    expected = float(vector("Paris_(mythology)") @ vector("Troy"))
    assert value(tiny_linker, two, 1, "Paris_(mythology)", "coherence") == pytest.approx(expected, abs=1e-4)


def test_nil_features(tiny_linker: Linker, prepared: Prepared) -> None:
    rows = prepared.table.mention == 1
    for feature, source in (
        ("nil_best_prior", "prior"),
        ("nil_best_title", "title_mention"),
        ("nil_best_description", "description_window"),
        ("nil_best_similarity", "alias_similarity"),
        ("nil_best_coherence", "coherence"),
        ("nil_best_popularity", "log_popularity"),
    ):
        column = prepared.features.candidates[rows, CANDIDATE_FEATURES.index(source)]
        assert nil(prepared, 1, feature) == pytest.approx(max(0.0, float(column.max()))), feature
    assert nil(prepared, 1, "nil") == 1
    assert nil(prepared, 1, "nil_alias_count") == pytest.approx(np.log1p(100))
    assert nil(prepared, 1, "nil_no_alias") == nil(prepared, 1, "nil_no_candidates") == 0
    unknown = prepare(tiny_linker, "They met Quux.", ("Quux",))
    assert nil(unknown, 0, "nil_no_alias") == 1
    assert nil(unknown, 0, "nil_alias_count") == 0


def test_features_of_a_long_text_do_not_depend_on_the_block(
    tiny_linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n".join([TEXT + " " + WORDS] * 12)
    spans = tuple(Span(at, at + 5) for at in range(len(text)) if text.startswith("Paris", at))
    document = Document("x", text, spans)
    (encoded,) = tiny_linker.encode([document])
    assert encoded is not None
    whole = tiny_linker.prepare([Mentioned(document, encoded, given_spans(document)[0])]).features
    monkeypatch.setattr(features, "BLOCK", 1)
    pieces = tiny_linker.prepare([Mentioned(document, encoded, given_spans(document)[0])]).features
    np.testing.assert_allclose(pieces.candidates, whole.candidates, atol=1e-6)
    np.testing.assert_allclose(pieces.nil, whole.nil, atol=1e-6)


def test_vectors_do_not_wear_out_in_a_long_text() -> None:
    """Far behind in a long text a mention's vector is as exact as at its start."""
    count = 300_000
    hidden = (
        np.full((count, 2), 3.0, dtype=np.float32) + np.linspace(0, 1, 7, dtype=np.float32)[np.arange(count) % 7, None]
    )
    hidden[:, 1] *= np.where(np.arange(count) % 7 == 3, -0.01, 0.01)
    starts = np.arange(count, dtype=np.int32) * 2
    encoded = EncodedText(
        starts,
        starts + 2,
        hidden,
        np.zeros(count, np.int32),
        np.ones((1, 2), np.float32),
        np.zeros(1, np.int32),
        np.full(1, count, np.int32),
    )
    last = (count - 101) // 7 * 7
    vectors = mention_vectors(encoded, [7 * 10 * 2, last * 2], [7 * 10 * 2 + 4, last * 2 + 4])
    np.testing.assert_array_equal(vectors.own[0], vectors.own[1])
    np.testing.assert_array_equal(vectors.local[0], vectors.local[1])
