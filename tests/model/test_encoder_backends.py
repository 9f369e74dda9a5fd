"""The three ways of running the encoder give the same vectors, and the same links."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from encoder_texts import EMPTY, TEXTS

from model.encoder import MAX_TOKENS, Backend, Encoder
from model.encoder_weights import WEIGHTS_SHA256
from model.linker import Linker
from model.types import Document, Span

if TYPE_CHECKING:
    from sample_kb import Sample

EVERY = {**TEXTS, **EMPTY}
# Largest difference of one number (they lie between about -3 and 3), and smallest cosine of a wordpiece's vectors, to
# torch. Measured: 3.4e-6 and 0.9999998 for fp32; 0.46 and 0.931 for int8.
AGREEMENT: list[tuple[Backend, float, float]] = [("onnx-fp32", 2e-5, 0.999999), ("onnx-int8", 0.8, 0.91)]
# Share of the development sample's links that are the same with int8 as with fp32: of given mentions, and of those
# found. Measured: 0.993 of 276, and 0.958 of 446.
SAME_GIVEN = 0.98
SAME_DETECTED = 0.94

Links = set[tuple[str, int, int, str | None]]


def hidden(encoder: Encoder, text: str) -> np.ndarray:
    pieces = encoder.wordpieces([text])[0].ids[: MAX_TOKENS - 2]
    return encoder.hidden([pieces])[0]


def test_the_tokenizer_leaves_nothing_of_blank_texts(encoders: dict[Backend, Encoder]) -> None:
    for name, text in EMPTY.items():
        assert encoders["onnx-int8"].wordpieces([text])[0].ids == [], name
    assert len(encoders["onnx-int8"].wordpieces([TEXTS["254 wordpieces"]])[0].ids) == 254
    assert encoders["onnx-int8"].wordpieces([TEXTS["a giant word"]])[0].offsets == [(0, 10_000)]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("backend", "difference", "cosine"), AGREEMENT)
def test_backends_agree(
    encoders: dict[Backend, Encoder], name: str, backend: Backend, difference: float, cosine: float
) -> None:
    expected, found = (hidden(encoders[which], EVERY[name]) for which in ("torch", backend))
    assert found.shape == expected.shape
    cosines = (expected * found).sum(axis=1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(found, axis=1)
    largest = float(np.abs(expected - found).max())
    assert largest <= difference, f"largest difference {largest}"
    assert float(cosines.min()) >= cosine, f"smallest cosine {cosines.min()}"


def test_versions_name_the_precision(encoders: dict[Backend, Encoder]) -> None:
    adapter = encoders["torch"].adapter
    assert adapter is not None
    name = f"minilm-{WEIGHTS_SHA256[:8]}-{adapter.digest[:8]}"
    assert encoders["torch"].version == encoders["onnx-fp32"].version == f"{name}-fp32"
    assert encoders["onnx-int8"].version == f"{name}-int8"


@pytest.mark.parametrize("backend", ["onnx-fp32", "onnx-int8"])
def test_vectors_do_not_depend_on_what_is_encoded_beside(encoders: dict[Backend, Encoder], backend: Backend) -> None:
    encoder = encoders[backend]
    together = encoder.embed(list(EVERY.values()))
    backwards = encoder.embed(list(EVERY.values())[::-1])[::-1]
    alone = np.concatenate([encoder.embed([text]) for text in EVERY.values()])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, backwards)


def test_padding_on_torch_changes_the_last_digits_only(encoders: dict[Backend, Encoder]) -> None:
    texts = [text for text in EVERY.values() if len(text) < 100]
    together = encoders["torch"].embed(texts)
    alone = np.concatenate([encoders["torch"].embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("backend", ["torch", "onnx-fp32", "onnx-int8"])
def test_threads_get_the_same_vectors(encoders: dict[Backend, Encoder], backend: Backend) -> None:
    encoder = encoders[backend]
    texts = [text for name, text in TEXTS.items() if len(text) < 100]
    expected = encoder.embed(texts)
    before = encoder.encoded
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: encoder.embed(texts), range(16)):
            # torch adds up in another order where it has another number of threads, which every thread has its own of.
            np.testing.assert_allclose(found, expected, atol=1e-6 if backend == "torch" else 0, rtol=0)
    assert encoder.encoded - before == 16 * sum(len(pieces.ids) for pieces in encoder.wordpieces(texts))


def test_embeddings_are_unit_vectors(encoders: dict[Backend, Encoder]) -> None:
    encoder = encoders["onnx-int8"]
    vectors = encoder.embed(list(EVERY.values()))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.embed([]).shape == (0, 384)
    cut = encoder.embed([TEXTS["prose of more than a window"]], max_tokens=20)
    pieces = encoder.wordpieces([TEXTS["prose of more than a window"]])[0]
    np.testing.assert_array_equal(cut, encoder.embed([TEXTS["prose of more than a window"][: pieces.offsets[17][1]]]))


@pytest.fixture(scope="module")
def sample_links(sample: Sample, sample_linkers: dict[Backend, Linker]) -> dict[Backend, list[Links]]:
    """By backend: the links of the given mentions of the development sample, and of those found."""
    given = [Document(d.id, d.text, tuple(Span(m.start, m.end) for m in d.mentions)) for d in sample.documents]
    plain = [Document(d.id, d.text) for d in sample.documents]
    return {backend: [links(linker, given), links(linker, plain)] for backend, linker in sample_linkers.items()}


def links(linker: Linker, documents: list[Document]) -> Links:
    return {
        (answer.id, link.start, link.end, link.entity) for answer in linker.link(documents) for link in answer.links
    }


def test_fp32_backends_link_alike(sample_links: dict[Backend, list[Links]]) -> None:
    assert all(len(found) > 200 for found in sample_links["torch"])
    assert sample_links["onnx-fp32"] == sample_links["torch"]


@pytest.mark.parametrize(("which", "share"), [(0, SAME_GIVEN), (1, SAME_DETECTED)])
def test_int8_links_almost_alike(sample_links: dict[Backend, list[Links]], which: int, share: float) -> None:
    expected, found = sample_links["onnx-fp32"][which], sample_links["onnx-int8"][which]
    same = len(expected & found) / max(len(expected), len(found))
    assert same >= share, f"{same:.3f} of {len(expected)} links are the same"
