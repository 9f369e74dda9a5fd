"""Training examples: what is stored is what the linker makes, an interruption loses nothing, and they teach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from test_fitting import DOCUMENTS

from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fusion.inputs import WindowInputs, candidate_edges, window_inputs
from model.fusion.network import FusionNetwork, FusionSize
from model.linker import Linker, given_spans
from model.prepared import Mentioned
from model.training.batches import Hiding, labelled_windows, pad, padded_batches, rare_probability
from model.training.examples import INDEX, ExampleStore, store_examples
from model.training.fusion_task import FusionTask, set_scales
from model.types import Document, Span

NOTHING = Hiding(gold=0, channel=0, popularity=False)


@pytest.fixture(scope="module")
def examples(starter_linker: Linker, tmp_path_factory: pytest.TempPathFactory) -> ExampleStore:
    folder = tmp_path_factory.mktemp("examples")
    *_, done = store_examples(starter_linker, DOCUMENTS, None, folder)
    assert done == len(DOCUMENTS)
    return ExampleStore(folder)


def windows_of(linker: Linker, number: int) -> list[WindowInputs]:
    labelled = DOCUMENTS[number]
    document = Document(labelled.id, labelled.text, tuple(Span(m.start, m.end) for m in labelled.mentions))
    (encoded,) = linker.encode([document])
    assert encoded is not None
    spans, _ = given_spans(document)
    prepared = linker.prepare([Mentioned(document, encoded, spans)])
    vectors = linker.context(document.text, encoded, spans).vectors
    return list(window_inputs(encoded, vectors, prepared.table, prepared.features, linker.store))


def test_what_is_stored_is_what_answering_computes(starter_linker: Linker, examples: ExampleStore) -> None:
    assert len(examples) == len(DOCUMENTS)
    assert examples.ids == [document.id for document in DOCUMENTS]
    assert examples.mentions.tolist() == [1] * len(DOCUMENTS)
    for number in (0, 17, 40):
        (stored,) = labelled_windows(examples[number], starter_linker.store, None, np.random.default_rng(0))
        (computed,) = windows_of(starter_linker, number)
        for name in ("owner", "features", "nil", "channels", "present", "edges", "distances"):
            np.testing.assert_array_equal(getattr(stored.inputs, name), getattr(computed, name), err_msg=name)
        for name in ("mentions", "wordpieces"):
            np.testing.assert_allclose(getattr(stored.inputs, name), getattr(computed, name), atol=2e-3, err_msg=name)
        gold = starter_linker.store.ordinal(str(DOCUMENTS[number].mentions[0].entity))
        assert examples[number].table.ordinal[stored.gold[0]] == gold


def test_an_interrupted_store_goes_on(starter_linker: Linker, examples: ExampleStore, tmp_path: Path) -> None:
    steps = store_examples(starter_linker, DOCUMENTS, None, tmp_path)
    assert [next(steps), next(steps)] == [0, 32]
    steps.close()
    with (tmp_path / "hidden").open("ab") as file:
        file.write(b"half a row")
    with (tmp_path / INDEX).open("ab") as file:
        file.write(b'{"id": "cut o')
    assert list(store_examples(starter_linker, DOCUMENTS, None, tmp_path)) == [32, len(DOCUMENTS)]
    again = ExampleStore(tmp_path)
    assert again.fingerprint == examples.fingerprint
    for number in range(len(DOCUMENTS)):
        np.testing.assert_array_equal(again[number].values.candidates, examples[number].values.candidates)
        np.testing.assert_array_equal(again[number].encoded.hidden, examples[number].encoded.hidden)


def test_a_document_without_links_teaches_nothing(starter_linker: Linker, tmp_path: Path) -> None:
    bare = replace(DOCUMENTS[0], id="wiki/Bare#0", mentions=())
    assert list(store_examples(starter_linker, [bare, DOCUMENTS[1]], None, tmp_path)) == [0, 2]
    store = ExampleStore(tmp_path)
    assert store.mentions.tolist() == [0, 1]
    assert not list(labelled_windows(store[0], starter_linker.store, None, np.random.default_rng(0)))


def test_hiding_the_right_candidate_makes_nil_right(starter_linker: Linker, examples: ExampleStore) -> None:
    always = Hiding(gold=1, channel=0, popularity=False)
    (plain,) = labelled_windows(examples[0], starter_linker.store, NOTHING, np.random.default_rng(0))
    (hidden,) = labelled_windows(examples[0], starter_linker.store, always, np.random.default_rng(0))
    assert plain.gold[0] >= 0
    assert hidden.gold[0] == -1
    assert hidden.in_kb[0]
    assert len(hidden.inputs.owner) == len(plain.inputs.owner) - 1


def test_hidden_channels_are_gone_with_their_features(starter_linker: Linker, examples: ExampleStore) -> None:
    everything = Hiding(gold=0, channel=1, popularity=False)
    (window,) = labelled_windows(examples[0], starter_linker.store, everything, np.random.default_rng(0))
    assert window.inputs.present[:, 0].all()
    assert not window.inputs.present[:, 1:].any()
    assert not window.inputs.channels[:, 1:].any()
    assert not window.inputs.edges.any()
    names = ("description_window", "description_local", "type_local", "type_mention", "relations", "shared_neighbours")
    assert not window.inputs.features[:, [CANDIDATE_FEATURES.index(name) for name in names]].any()
    flags = [CANDIDATE_FEATURES.index(name) for name in ("no_description", "no_types")]
    assert window.inputs.features[:, flags].all()


def test_structure_of_rare_entities_is_hidden_more() -> None:
    """The formula of Bootleg: 0.95 at one occurrence, falling, never below 0.05."""
    probability = rare_probability(np.array([0, 1, 10, 1000, 10**6], dtype=np.int32))
    assert probability[0] == probability[1] == pytest.approx(0.95)
    assert probability[2] == pytest.approx(0.95 * 10**-0.32)
    assert (np.diff(probability[1:]) < 0).all()
    assert probability[4] == pytest.approx(0.05)


def test_edges_join_related_candidates_of_different_mentions(starter_linker: Linker) -> None:
    ids = ["Lincoln,_Nebraska", "Abraham_Lincoln", "Nebraska"]
    ordinals = np.array([starter_linker.store.ordinal(name) for name in ids], dtype=np.int32)
    edges = candidate_edges(ordinals, np.array([0, 0, 1], dtype=np.int32), starter_linker.store)
    assert edges[0, 2, 0] == edges[2, 0, 0] == 1
    assert edges[1, 2, 0] == 0
    assert not edges[0, 1].any()
    same = candidate_edges(ordinals, np.zeros(3, dtype=np.int32), starter_linker.store)
    assert not same.any()


def test_windows_of_like_size_go_together(starter_linker: Linker, examples: ExampleStore) -> None:
    windows = [
        window
        for number in range(len(examples))
        for window in labelled_windows(examples[number], starter_linker.store, None, np.random.default_rng(0))
    ]
    groups = list(padded_batches(windows))
    assert sum(map(len, groups)) == len(windows)
    batch = pad([window.inputs for window in groups[0]])
    sizes = [len(window.inputs.owner) for window in groups[0]]
    assert batch.candidate_mask.sum(dim=1).tolist() == sizes
    assert batch.owner.shape == (len(groups[0]), max(sizes))


def test_training_teaches(starter_linker: Linker, examples: ExampleStore) -> None:
    torch.manual_seed(0)
    network = FusionNetwork(FusionSize(len(CANDIDATE_FEATURES), len(NIL_FEATURES), width=32, similarity=16))
    numbers = np.arange(len(examples))
    set_scales(network, examples, numbers.tolist())
    task = FusionTask(network, examples, starter_linker.store, numbers[:40], numbers[40:], NOTHING, 8, 12, 0)
    assert task.steps == 60
    network.eval()
    before = task.evaluate()
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for step in range(task.steps):
        found = task.loss(step)
        assert found.size == len(found.names) == 8
        optimiser.zero_grad()
        found.loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(found.loss.detach()))
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])
    network.eval()
    after = task.evaluate()
    assert after["candidate_recall"] == before["candidate_recall"] == 1
    assert after["accuracy"] > max(before["accuracy"], 0.8)


def test_a_step_is_the_same_again(starter_linker: Linker, examples: ExampleStore) -> None:
    torch.manual_seed(0)
    network = FusionNetwork(FusionSize(len(CANDIDATE_FEATURES), len(NIL_FEATURES), width=32, similarity=16)).eval()
    numbers = np.arange(len(examples))
    task = FusionTask(network, examples, starter_linker.store, numbers, numbers[:0], Hiding(), 8, 2, 3)
    first, other, again = task.loss(3), task.loss(9), task.loss(3)
    assert first.names == again.names != other.names
    assert torch.equal(first.loss, again.loss)
    assert {name for step in range(6) for name in task.loss(step).names} == set(examples.ids)
