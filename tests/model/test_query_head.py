"""The query head: what it makes of a mention, what it learns, and its file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from test_fitting import DOCUMENTS

from model.evaluation.corpus import LabelledDocument
from model.fitting.queries import fit_query_head
from model.linker import Linker
from model.mention_vectors import mention_vectors
from model.protocols import FloatArray
from model.queries import PLAIN, SHAPES, QueryHead, load_query_head, packed, retrieval_vectors
from model.scorer import load_scorer
from model.types import Document


def random_head() -> QueryHead:
    random = np.random.default_rng(0)
    return QueryHead({name: random.normal(0, 0.05, shape).astype(np.float32) for name, shape in SHAPES.items()})


def queries(linker: Linker, head: QueryHead, document: LabelledDocument) -> FloatArray:
    (encoded,) = linker.encode([Document(document.id, document.text)])
    assert encoded is not None
    starts = [mention.start for mention in document.mentions]
    ends = [mention.end for mention in document.mentions]
    return head.queries(encoded, mention_vectors(encoded, starts, ends))


def test_an_untrained_head_adds_nothing(starter_linker: Linker) -> None:
    (encoded,) = starter_linker.encode([Document("x", DOCUMENTS[0].text)])
    assert encoded is not None
    vectors = mention_vectors(encoded, [0], [7])
    np.testing.assert_allclose(PLAIN.queries(encoded, vectors), vectors.plain_query(), atol=1e-6)


def test_a_query_does_not_depend_on_how_many_there_are(starter_linker: Linker) -> None:
    text = " ".join(f"Lincoln and Paris met number {number}." for number in range(12))
    places = [place for place in range(len(text)) if text.startswith(("Lincoln", "Paris"), place)]
    (encoded,) = starter_linker.encode([Document("x", text)])
    assert encoded is not None
    vectors = mention_vectors(encoded, places, [place + 5 for place in places])
    together = random_head().queries(encoded, vectors)
    assert together.shape == (24, 384)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row in range(24):
        alone = random_head().queries(encoded, vectors.of_mentions(row, row + 1))
        np.testing.assert_array_equal(alone[0], together[row])


def test_a_trained_head_brings_mentions_nearer_to_their_entities(starter_linker: Linker) -> None:
    head = fit_query_head(starter_linker, DOCUMENTS, 0, lambda _step, _done, _total: None, fewest=10)
    assert head is not None
    margins = {"plain": 0.0, "trained": 0.0}
    for document in DOCUMENTS:
        gold = starter_linker.store.ordinal(str(document.mentions[0].entity))
        assert gold is not None
        others, _ = starter_linker.source.nearest(queries(starter_linker, PLAIN, document), 10)
        entities = retrieval_vectors(
            np.array([gold, *others[0][others[0] != gold]], dtype=np.int32), starter_linker.store
        )
        for name, used in (("plain", PLAIN), ("trained", head)):
            near = entities @ queries(starter_linker, used, document)[0]
            margins[name] += float(near[0] - near[1:].max())
    assert margins["trained"] > margins["plain"] + 1


def test_few_links_teach_nothing(starter_linker: Linker) -> None:
    assert fit_query_head(starter_linker, DOCUMENTS, 0, lambda _step, _done, _total: None) is None
    assert fit_query_head(starter_linker, [], 0, lambda _step, _done, _total: None) is None


def test_a_file_gives_the_same_head_again(tmp_path: Path) -> None:
    head = random_head()
    content = packed(head)
    (tmp_path / "head.safetensors").write_bytes(content)
    again = load_query_head(tmp_path / "head.safetensors", hashlib.sha256(content).hexdigest())
    assert packed(again) == content
    for name, array in head.weights.items():
        np.testing.assert_allclose(again.weights[name], array, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content[:-1], "is not the file"),
        (lambda _: b"", "is not the file"),
        (lambda content: content.replace(b"inner.weight", b"other.weight"), "is not the file"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, change: object, told: str) -> None:
    assert callable(change)
    content = packed(random_head())
    (tmp_path / "head.safetensors").write_bytes(change(content))
    with pytest.raises(ValueError, match=told):
        load_query_head(tmp_path / "head.safetensors", hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("content", [b"", b"none"])
def test_a_file_that_is_something_else_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "head.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"head\.safetensors"):
        load_query_head(tmp_path / "head.safetensors", hashlib.sha256(content).hexdigest())


def test_the_shipped_head_was_trained() -> None:
    assert all(np.abs(array).max() > 0 for array in load_scorer().query_head.weights.values())
