"""Usage vectors: the mean of what looks for an entity where people linked to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.evaluation import GoldMention, LabelledDocument
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, compute
from model.fitting.ablations import unencoded
from model.fitting.examples import examples
from model.fitting.pages import PageCounts
from model.fitting.usage import LinkEncoder, UsageSums, encode_links, links_of
from model.linker import Linker, given_spans
from model.types import Document, Span


def document(name: str, text: str, *links: tuple[str, str | None], kind: str = "anchor") -> LabelledDocument:
    mentions = [GoldMention(text.index(words), text.index(words) + len(words), entity, kind) for words, entity in links]
    return LabelledDocument(name, "wiki", text, tuple(mentions))


ON_TROY = document("wiki/Troy#0", "Paris fled from Troy.", ("Paris", "Paris_(mythology)"), ("Troy", "Troy"))
ON_FRANCE = document("wiki/France#0", "Paris lies on the Seine, in France.", ("Paris", "Paris"), ("France", "France"))
ELSEWHERE = document("wiki/Seine#0", "The Seine runs through Paris.", ("Seine", "Seine"), ("Paris", "Paris"))
DOCUMENTS = [ON_TROY, ON_FRANCE, ELSEWHERE]


@pytest.fixture
def encoder(tiny_linker: Linker, tmp_path: Path) -> LinkEncoder:
    return LinkEncoder(tiny_linker.encoder, tmp_path)


def queries(linker: Linker, labelled: LabelledDocument) -> np.ndarray:
    """Return the vectors by which the linker looks for a document's mentions."""
    spans = tuple(Span(mention.start, mention.end) for mention in labelled.mentions)
    plain = Document(labelled.id, labelled.text, spans)
    (encoded,) = linker.encode([plain])
    assert encoded is not None
    return linker.context(plain.text, encoded, given_spans(plain)[0]).vectors.query


def known(linker: Linker, ids: Sequence[str]) -> dict[str, str]:
    return {key: key for key in ids if linker.store.ordinal(key) is not None}


def test_links_are_what_people_linked() -> None:
    marked = [GoldMention(0, 5, "Paris", kind) for kind in ("anchor", "table", "gold", "weak", "coref", "nested")]
    unknown = GoldMention(0, 5, None, "gold")
    found = links_of(LabelledDocument("a", "wiki", "Paris", (*marked, unknown)))
    assert [mention.kind for mention in found] == ["anchor", "table", "gold"]


def test_a_link_is_encoded_as_the_linker_reads_it(tiny_linker: Linker, encoder: LinkEncoder) -> None:
    texts = [labelled.text for labelled in DOCUMENTS]
    links = [(number, mention) for number, labelled in enumerate(DOCUMENTS) for mention in labelled.mentions]
    found = encoder.vectors(texts, links)
    expected = np.concatenate([queries(tiny_linker, labelled) for labelled in DOCUMENTS])
    assert np.abs(found.astype(np.float32) - expected).max() < 1e-3
    # Whatever is asked together, and in whichever order.
    backwards = encoder.vectors(texts, links[::-1])
    np.testing.assert_array_equal(backwards, found[::-1])


def test_what_was_encoded_before_is_not_encoded_again(tiny_linker: Linker, tmp_path: Path) -> None:
    links = [(0, mention) for mention in ON_TROY.mentions]
    first = LinkEncoder(tiny_linker.encoder, tmp_path).vectors([ON_TROY.text], links)
    before = tiny_linker.encoder.encoded
    again = LinkEncoder(tiny_linker.encoder, tmp_path).vectors([ON_TROY.text], links)
    assert tiny_linker.encoder.encoded == before
    np.testing.assert_array_equal(again, first)


def test_a_text_without_wordpieces_says_nothing(encoder: LinkEncoder) -> None:
    assert not encoder.vectors(["\x00"], [(0, GoldMention(0, 1, "Paris", "anchor"))]).any()


def test_sums_are_by_entity(tiny_linker: Linker, encoder: LinkEncoder) -> None:
    sums = UsageSums()
    lost = encode_links(DOCUMENTS[:2], encoder, lambda ids: known(tiny_linker, ids), sums)
    lost += encode_links(DOCUMENTS[2:], encoder, lambda ids: known(tiny_linker, ids), sums)
    assert lost == 1  # the Seine
    assert sums.links == 5
    ids, links, means = sums.means()
    assert dict(zip(ids, links.tolist(), strict=True)) == {"Paris_(mythology)": 1, "Troy": 1, "Paris": 2, "France": 1}
    expected = (queries(tiny_linker, ON_FRANCE)[0] + queries(tiny_linker, ELSEWHERE)[1]) / 2
    assert np.abs(means[ids.index("Paris")].astype(np.float32) - expected).max() < 1e-3


def test_links_go_where_ids_lead(tiny_linker: Linker, encoder: LinkEncoder) -> None:
    sums = UsageSums()
    encode_links([ON_TROY], encoder, lambda ids: dict.fromkeys(ids, "Troy"), sums)
    assert sums.means()[0] == ["Troy"]
    assert sums.means()[1].tolist() == [2]


def test_features_compare_the_mention_with_the_links(used_linker: Linker) -> None:
    linker = used_linker
    plain = Document("x", "Paris lies in France, far from Troy.", tuple(Span(*at) for at in ((0, 5), (31, 35))))
    (encoded,) = linker.encode([plain])
    assert encoded is not None
    context = linker.context(plain.text, encoded, given_spans(plain)[0])
    table = linker.generator.generate(context.surfaces, np.array([-1, -1], np.int32), context.vectors.query)
    computed = compute(context.surfaces, context.words, table, context.vectors, linker.store)
    means, links = linker.store.usage(table.ordinal)
    assert sorted(set(links.tolist())) == [0, 1, 2]
    for row, mention in enumerate(table.mention.tolist()):
        values = dict(zip(CANDIDATE_FEATURES, computed.candidates[row].tolist(), strict=True))
        assert values["usage_known"] == (links[row] > 0)
        length = np.linalg.norm(means[row]) or 1.0
        for name, vector in (("usage", context.vectors.query), ("usage_window", context.vectors.window)):
            assert values[name] == pytest.approx(float(means[row] @ vector[mention] / length), abs=1e-5)
    column = computed.candidates[table.mention == 0, CANDIDATE_FEATURES.index("usage")]
    assert computed.nil[0, NIL_FEATURES.index("nil_best_usage")] == column.max() > 0


def test_what_is_learned_from_is_there_without_usage_too(used_linker: Linker, tiny_linker: Linker) -> None:
    seen, bare = (
        list(examples(linker, DOCUMENTS, PageCounts(linker.source, linker.store, {"Troy", "France", "Seine"}), 0))
        for linker in (used_linker, tiny_linker)
    )
    copies = unencoded(seen)
    assert len(copies) == len(seen) == 3
    for copy, before, without in zip(copies, seen, bare, strict=True):
        assert not np.array_equal(before.values.candidates, without.values.candidates)
        np.testing.assert_array_equal(copy.values.candidates, without.values.candidates)
        np.testing.assert_array_equal(copy.values.nil, without.values.nil)
        np.testing.assert_array_equal(copy.gold, before.gold)
    assert unencoded(bare) == []


def test_the_pages_own_links_are_taken_off(used_linker: Linker, encoder: LinkEncoder) -> None:
    steps: list[tuple[str, int, int]] = []
    counts = PageCounts(used_linker.source, used_linker.store, {"France", "Troy"})
    counts.add_usage(DOCUMENTS, encoder, lambda *step: steps.append(step))
    assert steps == [("links", 2, 2)]
    ordinals = np.array([used_linker.store.ordinal(key) for key in ("Paris", "France", "Paris,_Texas")], np.int32)
    means, links = counts.without("France").usage(ordinals)
    assert links.tolist() == [1, 0, 0]
    assert np.abs(means[0] - queries(used_linker, ELSEWHERE)[1]).max() < 3e-3
    assert not means[1:].any()
    untouched, links = counts.without("Troy").usage(ordinals)
    np.testing.assert_array_equal(untouched, used_linker.store.usage(ordinals)[0])
    assert links.tolist() == [2, 1, 0]


def test_more_links_of_a_page_than_were_encoded_leave_nothing(used_linker: Linker, encoder: LinkEncoder) -> None:
    counts = PageCounts(used_linker.source, used_linker.store, {"France"})
    counts.add_usage([ON_FRANCE, ON_FRANCE, ON_FRANCE], encoder, lambda *_: None)
    means, links = counts.without("France").usage(np.array([used_linker.store.ordinal("Paris")], np.int32))
    assert links.tolist() == [0]
    assert not means.any()
