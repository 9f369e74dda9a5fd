"""The encoder learns from packed wordpieces: what is packed, and that training it teaches something."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from small_task import run, small_config
from training_kb import ENTITIES, TYPES

from model.encoder import Backend, Encoder
from model.encoder_weights import find_weights
from model.evaluation.corpus import GoldMention, LabelledDocument
from model.training.encoder_batches import Sampler
from model.training.encoder_config import EncoderConfig
from model.training.encoder_data import EncoderData, KnownEntity, Packer
from model.training.encoder_network import EncoderNetwork, trained_tensors
from model.training.encoder_task import EncoderTask
from model.training.popularity import rare_probability
from model.training.split import Split

if TYPE_CHECKING:
    from tokenizers import Tokenizer

KNOWN = [
    KnownEntity(
        entity.id, entity.label, entity.description, entity.types, tuple((a.text, a.count) for a in entity.aliases)
    )
    for entity in ENTITIES
]
TEXTS = [
    ("Lincoln became president and Lincoln freed the slaves.", "Lincoln", "Abraham_Lincoln"),
    ("The streets of Lincoln are full of farmers.", "Lincoln", "Lincoln,_Nebraska"),
    ("Queen played their songs on a stage in London.", "Queen", "Queen_(band)"),
    ("The NBA sells tickets to its games.", "NBA", "National_Basketball_Association"),
    ("Lawyers of the NBA met a judge.", "NBA", "National_Bar_Association"),
    ("Football is played at the Palace by eleven men.", "Palace", "Crystal_Palace"),
    ("The French president lives in the Palace.", "Palace", "Élysée_Palace"),
    ("Springfield is a town in Ohio.", "Springfield", "Springfield,_Ohio"),
]


def document(number: int, text: str, name: str, entity: str) -> LabelledDocument:
    start = text.index(name)
    return LabelledDocument(
        f"wiki-prose/Page {number}#0",
        "wiki-prose",
        text,
        (GoldMention(start, start + len(name), entity, "anchor"),),
        page=f"Page {number}",
    )


DOCUMENTS = [document(number, *parts) for number, parts in enumerate(TEXTS)]


def pack(encoder: Encoder, documents: list[LabelledDocument], division: Split) -> EncoderData:
    packer = Packer(encoder, division)
    packer.add_entities(KNOWN, [(record.id, record.label) for record in TYPES])
    return packer.pack((one, False) for one in documents)


@pytest.fixture(scope="module")
def data(encoders: dict[Backend, Encoder]) -> EncoderData:
    return pack(encoders["onnx-int8"], DOCUMENTS, Split(0.0))


def words(encoder: Encoder, ids: np.ndarray[tuple[int], np.dtype[np.uint16]]) -> str:
    tokenizer: Tokenizer = encoder._tokenizer
    return str(tokenizer.decode(ids.tolist()))


def test_windows_mentions_and_entities_are_packed(data: EncoderData, encoders: dict[Backend, Encoder]) -> None:
    encoder = encoders["onnx-int8"]
    ids = [entity.id for entity in KNOWN]
    assert len(data.windows.gold) == len(TEXTS)
    for row, (text, name, entity) in enumerate(TEXTS):
        window = int(data.windows.mention_window[row])
        pieces = data.windows.pieces[window]
        assert words(encoder, pieces).replace(" ", "") == text.lower().replace(" ", "")
        part = pieces[data.windows.first[row] : data.windows.last[row]]
        assert words(encoder, part) == name.lower()
        assert ids[data.windows.gold[row]] == entity
    assert words(encoder, data.entities.titles[ids.index("Lonely_name")]) == "lonely name of nobody else"
    assert data.entities.popularity[ids.index("Abraham_Lincoln")] == 41
    types = data.entities.types[ids.index("Queen_(band)")]
    assert [words(encoder, data.entities.type_names[row]) for row in types.tolist()] == ["band"]


def test_other_bearers_of_the_alias_are_packed_the_most_frequent_first(data: EncoderData) -> None:
    ids = [entity.id for entity in KNOWN]
    bearers = [row for row in data.windows.bearers[0].tolist() if row >= 0]
    assert [ids[row] for row in bearers] == ["Lincoln,_Nebraska"]
    assert [ids[row] for row in data.windows.bearers[4].tolist() if row >= 0] == ["National_Basketball_Association"]


def test_links_of_a_page_to_itself_are_left_out(encoders: dict[Backend, Encoder]) -> None:
    own = document(0, *TEXTS[0])
    own = LabelledDocument(own.id, own.source, own.text, own.mentions, page="Abraham Lincoln")
    assert len(pack(encoders["onnx-int8"], [own], Split(0.0)).windows.gold) == 0


def task(data: EncoderData, folder: Path, epochs: int = 12, division: Split | None = None) -> EncoderTask:
    torch.manual_seed(1)
    network = EncoderNetwork(find_weights(), rank=4)
    config = EncoderConfig(rank=4, windows=8, mention_dropout=0.0, typing=0.2)
    return EncoderTask(network, data, config, division or Split(0.0), {}, epochs, folder)


def test_training_brings_mentions_to_their_entities(data: EncoderData, tmp_path: Path) -> None:
    made = task(data, tmp_path / "mined")
    config = small_config(tmp_path / "checkpoints", learning_rate=2e-3, epochs=1)
    history = run(made, config).history
    assert np.mean(history.losses[-3:]) < 0.7 * np.mean(history.losses[:3])


def test_a_step_is_the_same_whenever_it_is_computed(data: EncoderData, tmp_path: Path) -> None:
    first, second = task(data, tmp_path / "a"), task(data, tmp_path / "b")
    torch.manual_seed(5)
    one = first.loss(3)
    torch.manual_seed(5)
    assert float(second.loss(3).loss.detach()) == float(one.loss.detach())
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("rate", [0.25, 1.0, 2.5])
def test_rates_say_how_often_an_epoch_shows_a_source(data: EncoderData, rate: float) -> None:
    sampler = Sampler(data, EncoderConfig(windows=3), Split(0.0), {"wiki-prose": rate})
    assert sampler.windows_of_epoch == len(TEXTS) * rate
    assert sampler.steps_of_epoch == math.ceil(len(TEXTS) * rate / 3)
    epochs = [sampler.epoch(0, number).tolist() for number in range(100)]
    shown = np.array([np.bincount(epoch, minlength=len(TEXTS)) for epoch in epochs])
    assert set(shown.ravel().tolist()) == {math.floor(rate), math.ceil(rate)}
    assert abs(shown.mean() - rate) < 0.1
    assert epochs[0] != epochs[1]
    assert sampler.epoch(0, 1).tolist() == epochs[1]
    assert sampler.epoch(1, 1).tolist() != epochs[1]


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.77, 1.9])
def test_an_epoch_has_as_many_windows_as_its_steps_count_on(data: EncoderData, rate: float) -> None:
    """Else its last steps would have nothing to learn from."""
    many = Sampler(data, EncoderConfig(windows=3), Split(0.0), {"wiki-prose": rate})
    many._rates = np.full(5000, rate)
    many.training = np.arange(5000)
    many.windows_of_epoch = int(many._rates.sum())
    for number in range(20):
        epoch = many.epoch(0, number)
        assert len(epoch) == many.windows_of_epoch
        assert np.bincount(epoch).max() <= math.ceil(rate)


def test_full_names_give_way_in_training_but_not_on_held_out_pages(encoders: dict[Backend, Encoder]) -> None:
    full = [document(number, "Abraham Lincoln ran.", "Abraham Lincoln", "Abraham_Lincoln") for number in range(40)]
    division = Split(0.4)
    packer = Packer(encoders["onnx-int8"], division, substitution=0.5)
    packer.add_entities(KNOWN, [(record.id, record.label) for record in TYPES])
    made = packer.pack((one, False) for one in full)
    lengths = made.windows.pieces.lengths
    held_out = np.array([division.page_held_out(page) for page in made.windows.page.tolist()])
    assert set(lengths[held_out].tolist()) == {4}
    assert set(lengths[~held_out].tolist()) == {3, 4}
    ids = [entity.id for entity in KNOWN]
    short = lengths[made.windows.mention_window] == 3
    assert {ids[row] for row in made.windows.bearers[short].ravel().tolist() if row >= 0} == {"Lincoln,_Nebraska"}
    assert (made.windows.last - made.windows.first)[short].tolist() == [1] * int(short.sum())


def test_of_a_frozen_encoder_only_the_heads_are_trained(data: EncoderData, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = EncoderNetwork(find_weights(), rank=4, frozen=True)
    trained = {name.split(".")[0] for name, weights in network.named_parameters() if weights.requires_grad}
    assert trained == {"inner", "query", "types", "span_inner", "span_outer", "query_scale", "type_scale"}
    before = {name: tensor.clone() for name, tensor in trained_tensors(network).items()}
    config = EncoderConfig(rank=4, windows=8, mention_dropout=0.0, frozen=True)
    made = EncoderTask(network, data, config, Split(0.0), {}, 3, tmp_path / "mined")
    run(made, small_config(tmp_path / "checkpoints", learning_rate=2e-3, epochs=1))
    after = trained_tensors(network)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"query", "type", "span"}


def test_what_is_rare_is_hidden_more() -> None:
    """The formula of Bootleg: 0.95 at one occurrence, falling, never below 0.05."""
    probability = rare_probability(np.array([0, 1, 10, 1000, 10**6], dtype=np.int32))
    assert probability[0] == probability[1] == pytest.approx(0.95)
    assert probability[2] == pytest.approx(0.95 * 10**-0.32)
    assert (np.diff(probability[1:]) < 0).all()
    assert probability[4] == pytest.approx(0.05)


def test_held_out_pages_and_entities_are_not_learned_from(encoders: dict[Backend, Encoder], tmp_path: Path) -> None:
    division = Split(0.4, entities=0.4)
    made = task(pack(encoders["onnx-int8"], DOCUMENTS, division), tmp_path, division=division)
    assert 0 < len(made.sampler.held_out) < len(TEXTS)
    rows, _ = made.sampler.mentions_of(made.sampler.training, np.random.default_rng(0))
    gold = made.data.windows.gold[rows]
    assert not made.data.entities.held_out[gold].any()
    assert made.data.entities.held_out[made.data.windows.gold].any()
    made.module.eval()
    with torch.no_grad():
        measured = made.evaluate()
    assert {"recall@1 wiki-prose", "recall@30 wiki-prose", "right bearer wiki-prose"} <= set(measured)
    assert all(0 <= value <= 1 for value in measured.values())
