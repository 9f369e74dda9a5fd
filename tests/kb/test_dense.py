"""The search by meaning finds what an exact search finds, in small knowledge bases and in large ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from kb.dense import COMPARED, DenseSearch
from kb.dense_gpu import MOST as WHOLE_MOST
from kb.dense_gpu import empty_gpu_index
from kb.index.dense import FLAT_LIMIT, LIST_LENGTH, PROBES, retrieval_vectors, write_dense

WIDTH = 64
QUERIES = 150
SIZES = {"flat": 3000, "codes": FLAT_LIMIT + 1000, "lists": LIST_LENGTH * (PROBES + 30)}

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Vectors of entities, the index of them, and vectors to look for."""

    path: Path
    search: DenseSearch
    exact: FloatArray  # entities x WIDTH
    queries: FloatArray

    def nearest(self, k: int, without: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int64]:
        """Return the truly nearest entities of each query."""
        products = self.queries @ self.exact.T
        if without is not None:
            products[:, without] = -np.inf
        return np.argsort(-products, axis=1, kind="stable")[:, :k]


def made(count: int, path: Path, on_gpu: faiss.Index | None = None) -> World:
    """Make entities in families, as those of a KB are, every second with a description; queries are near to some."""
    random = np.random.default_rng(1)
    families = random.standard_normal((count // 20, WIDTH)) * np.linspace(2, 0.2, WIDTH)
    members = families[random.integers(0, len(families), count)] + 0.5 * random.standard_normal((count, WIDTH))
    titles = unit(members + 0.3 * random.standard_normal(members.shape)).astype(np.float16)
    descriptions = unit(members[::2] + 0.3 * random.standard_normal(members[::2].shape)).astype(np.float16)
    rows = np.full(count, -1, dtype=np.int32)
    rows[::2] = np.arange(len(descriptions))
    write_dense(path, titles, descriptions, rows)
    exact = retrieval_vectors(np.arange(count), titles, descriptions, rows)
    chosen = random.choice(count, QUERIES)
    queries = unit(exact[chosen] + 0.05 * random.standard_normal((QUERIES, WIDTH))).astype(np.float32)
    return World(path, DenseSearch(path, titles, descriptions, rows, on_gpu), exact, queries)


def unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.fixture(scope="module", params=SIZES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(SIZES[request.param], tmp_path_factory.mktemp("dense") / "dense.faiss")


def share(found: npt.NDArray[np.int32], right: npt.NDArray[np.int64]) -> float:
    """Return which share of the right ones was found."""
    pairs = zip(found.tolist(), right.tolist(), strict=True)
    return sum(len(set(some) & set(all_)) for some, all_ in pairs) / right.size


def test_nearly_all_that_is_nearest_is_found(world: World) -> None:
    ordinals, scores = world.search.nearest(world.queries, 10)
    assert share(ordinals, world.nearest(10)) >= 0.98
    assert (np.diff(scores, axis=1) <= 0).all()


def test_scores_are_the_inner_products_themselves(world: World) -> None:
    ordinals, scores = world.search.nearest(world.queries, 10)
    expected = np.einsum("qkd,qd->qk", world.exact[ordinals], world.queries)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_what_is_left_out_makes_room_for_the_next(world: World) -> None:
    gone = np.unique(world.search.nearest(world.queries, 5)[0]).astype(np.int32)
    ordinals, _ = world.search.nearest(world.queries, 10, gone)
    assert not np.isin(ordinals, gone).any()
    assert share(ordinals, world.nearest(10, gone)) >= 0.98


def test_a_query_finds_the_same_alone_and_among_others(world: World) -> None:
    together, scores = world.search.nearest(world.queries, 10)
    for index in (0, 70, QUERIES - 1):
        alone, its_scores = world.search.nearest(world.queries[index : index + 1], 10)
        np.testing.assert_array_equal(alone[0], together[index])
        np.testing.assert_array_equal(its_scores[0], scores[index])


def test_more_can_be_asked_for_than_is_compared_else(world: World) -> None:
    ordinals, _ = world.search.nearest(world.queries[:3], 2 * COMPARED)
    assert ordinals.shape == (3, 2 * COMPARED)
    assert all(len(set(row)) == 2 * COMPARED for row in ordinals.tolist())


def test_where_there_are_fewer_minus_one_stands(world: World) -> None:
    everyone = np.arange(len(world.exact), dtype=np.int32)
    ordinals, scores = world.search.nearest(world.queries[:2], 10, np.delete(everyone, [3, 7]))
    assert set(ordinals[:, :2].ravel().tolist()) <= {3, 7, -1}
    assert (ordinals[:, 2:] == -1).all()
    assert np.isneginf(scores[ordinals < 0]).all()


def test_no_queries_find_nothing(world: World) -> None:
    ordinals, scores = world.search.nearest(world.queries[:0], 10)
    assert ordinals.shape == scores.shape == (0, 10)


def test_large_ones_have_short_codes(world: World) -> None:
    count = len(world.exact)
    index = faiss.read_index(str(world.path))
    assert isinstance(index, faiss.IndexIVFPQFastScan) == (count > FLAT_LIMIT)
    assert world.path.stat().st_size < 30_000 + count * (WIDTH + 1 if count <= FLAT_LIMIT else WIDTH // 8 + 12)


@pytest.mark.parametrize("size", ["flat", "codes"])
def test_looking_at_all_finds_what_is_nearest(size: str, tmp_path: Path) -> None:
    """With an index in the processor's memory, which has the same methods as that on a GPU."""
    world = made(SIZES[size], tmp_path / "dense.faiss", faiss.IndexFlatIP(WIDTH))
    ordinals, scores = world.search.nearest(world.queries, 10)
    np.testing.assert_array_equal(ordinals, world.nearest(10))
    gone = np.unique(ordinals[:, :5]).astype(np.int32)
    np.testing.assert_array_equal(world.search.nearest(world.queries, 10, gone)[0], world.nearest(10, gone))
    many = np.unique(world.nearest(WHOLE_MOST // 20)).astype(np.int32)  # too many to leave out on a GPU
    assert len(many) > WHOLE_MOST
    few, _ = world.search.nearest(world.queries, 10, many)
    assert not np.isin(few, many).any()
    np.testing.assert_allclose(scores, np.einsum("qkd,qd->qk", world.exact[ordinals], world.queries), atol=1e-6)


def test_fewer_entities_than_asked_for(tmp_path: Path) -> None:
    world = made(40, tmp_path / "dense.faiss", faiss.IndexFlatIP(WIDTH))
    ordinals, _ = world.search.nearest(world.queries[:3], 50, np.array([1, 2], dtype=np.int32))
    for row in ordinals.tolist():
        assert sorted(row) == [-1] * 12 + [0, *range(3, 40)]


@pytest.mark.skipif(not faiss.get_num_gpus(), reason="needs a GPU and the FAISS build for it")
def test_a_gpu_finds_the_same(tmp_path: Path) -> None:
    world = made(SIZES["codes"], tmp_path / "dense.faiss", empty_gpu_index(WIDTH))
    ordinals, _ = world.search.nearest(world.queries, 10)
    assert share(ordinals, world.nearest(10)) >= 0.999
