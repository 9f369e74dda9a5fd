"""The fusion network: what it must not depend on, and what it must read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.adapter import VIEWS
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fusion.inputs import CHANNELS, DISTANCES, EDGES, WindowInputs
from model.fusion.network import MASKED, FusionNetwork, FusionSize, mention_log_softmax
from model.training.batches import pad

SIZE = FusionSize(len(CANDIDATE_FEATURES), len(NIL_FEATURES), width=32, similarity=16, heads=2)


@pytest.fixture(scope="module")
def network() -> FusionNetwork:
    """A network whose every parameter has a say."""
    torch.manual_seed(0)
    network = FusionNetwork(SIZE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def window(owner: list[int], wordpieces: int = 7, seed: int = 0) -> WindowInputs:
    random = np.random.default_rng(seed)
    mentions, count = max(owner) + 1, len(owner)

    def numbers(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return random.normal(size=shape).astype(np.float32)

    edges = np.abs(numbers(count, count, EDGES))
    return WindowInputs(
        first_mention=0,
        candidates=slice(0, count),
        mentions=numbers(mentions, VIEWS, 384),
        wordpieces=numbers(wordpieces, 384),
        distances=random.integers(0, DISTANCES, (mentions, wordpieces)).astype(np.int32),
        owner=np.array(owner, dtype=np.int32),
        features=numbers(count, SIZE.features),
        nil=numbers(mentions, SIZE.nil_features),
        channels=numbers(count, CHANNELS, 384),
        present=np.ones((count, CHANNELS), dtype=np.bool_),
        edges=edges,
    )


def scores(network: FusionNetwork, inputs: WindowInputs) -> torch.Tensor:
    with torch.no_grad():
        return network(pad([inputs]))[1][0]


def test_padding_changes_nothing(network: FusionNetwork) -> None:
    small, large = window([0, 0, 1], 5), window([0, 1, 1, 2, 2, 2], 11, seed=1)
    with torch.no_grad():
        parts, together, nil = network(pad([small, large]))
        alone_parts, alone, alone_nil = network(pad([small]))
    assert torch.allclose(together[0, :3], alone[0], atol=1e-5)
    assert torch.allclose(parts[0, :3], alone_parts[0], atol=1e-5)
    assert torch.allclose(nil[0, :2], alone_nil[0], atol=1e-5)
    assert (together[0, 3:] == MASKED).all()


def test_the_order_of_candidates_does_not_matter(network: FusionNetwork) -> None:
    inputs = window([0, 0, 0, 1, 1])
    order = np.array([2, 0, 1, 4, 3])
    shuffled = replace(
        inputs,
        owner=inputs.owner[order],
        features=inputs.features[order],
        channels=inputs.channels[order],
        present=inputs.present[order],
        edges=inputs.edges[np.ix_(order, order)],
    )
    assert torch.allclose(scores(network, shuffled), scores(network, inputs)[torch.from_numpy(order)], atol=1e-5)


def test_what_an_absent_channel_holds_does_not_matter(network: FusionNetwork) -> None:
    inputs = window([0, 0, 1])
    present = inputs.present.copy()
    present[1, 1] = False
    other = inputs.channels.copy()
    other[1, 1] = 5
    absent = replace(inputs, present=present)
    assert torch.equal(scores(network, absent), scores(network, replace(absent, channels=other)))
    assert not torch.equal(scores(network, absent), scores(network, inputs))


def test_parts_add_up_to_the_score(network: FusionNetwork) -> None:
    with torch.no_grad():
        parts, total, _ = network(pad([window([0, 1, 1])]))
    assert parts.shape[-1] == SIZE.features + CHANNELS + 1
    assert torch.allclose(parts.sum(dim=-1), total, atol=1e-5)


def test_a_lone_mention_s_candidates_do_not_look_at_each_other(network: FusionNetwork) -> None:
    inputs = window([0, 0])
    channels = inputs.channels.copy()
    channels[1] *= -1
    before, after = scores(network, inputs), scores(network, replace(inputs, channels=channels))
    assert torch.equal(before[0], after[0])
    assert before[1] != after[1]


@pytest.mark.parametrize(("what", "switch"), [("wordpieces", "phrase"), ("channels", "cooccurrence"), ("edges", "kg")])
def test_each_attention_reads_its_own(what: str, switch: str) -> None:
    """Changing what only one attention sees (for `channels`: those of the other mention) is seen if it is on."""
    inputs = window([0, 1, 1])
    value = getattr(inputs, what).copy()
    if what == "channels":
        value[1:] *= -1
    else:
        value[...] = np.random.default_rng(9).normal(size=value.shape)
    changed = replace(inputs, **{what: value})
    for on in (True, False):
        torch.manual_seed(0)
        network = FusionNetwork(replace(SIZE, **{switch: on})).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        assert torch.equal(scores(network, inputs)[:1], scores(network, changed)[:1]) != on


def test_probabilities_of_a_mention_add_up() -> None:
    values = torch.randn(1, 5)
    owner = torch.tensor([[0, 0, 1, 1, 1]])
    nil = torch.randn(1, 2)
    probability = mention_log_softmax(values, owner, 2).exp()[0]
    assert torch.allclose(torch.stack([probability[:2].sum(), probability[2:].sum()]), torch.ones(2))
    less = mention_log_softmax(values, owner, 2, nil).exp()[0]
    nil_probability = 1 - torch.stack([less[:2].sum(), less[2:].sum()])
    expected = nil[0].exp() / (nil[0].exp() + torch.stack([values[0, :2].exp().sum(), values[0, 2:].exp().sum()]))
    assert torch.allclose(nil_probability, expected, atol=1e-6)
