"""What was trained is folded into the encoder, and its heads answer as they did in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from model.adapter import LAYERS, LINEAR, SHIPPED, read_adapter
from model.encoder import CLS, SEP, load_encoder
from model.encoder_weights import WEIGHTS_SHA256, EncoderWeightsError, find_weights
from model.mention_vectors import mention_vectors, mention_views
from model.span_head import wordpiece_marks
from model.training.encoder_network import EncoderNetwork, save_trained
from model.training.encoder_network import mention_views as trained_views
from model.windows import join, split

HELD_OUT = {"pages": 0.02, "exhaustive": 0.3, "entities": 0.05, "seed": 7}
METADATA = {"encoder_sha256": WEIGHTS_SHA256} | {name: str(value) for name, value in HELD_OUT.items()}
TEXT = "Mercury is the planet nearest the Sun; Freddie Mercury sang."


@pytest.fixture(scope="module")
def network() -> EncoderNetwork:
    """A network whose every part says something, as after training."""
    torch.manual_seed(0)
    made = EncoderNetwork(find_weights(), rank=4)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad and parameter.dim() == 2:
                parameter += 0.02 * torch.randn_like(parameter)
                parameter.copy_(parameter.half().float())
    return made.eval()


@pytest.fixture(scope="module")
def trained(network: EncoderNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "encoder.safetensors"
    save_trained(network, path, WEIGHTS_SHA256, HELD_OUT)
    return path


def padded(network: EncoderNetwork, ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return network.hidden(torch.tensor([ids]), torch.tensor([len(ids)]))


def test_both_backends_encode_as_the_network_did_in_training(
    network: EncoderNetwork, trained: Path, graphs: Path
) -> None:
    plain = load_encoder(graphs, "torch", adapter=None)
    adapted = load_encoder(graphs, "torch", adapter=trained)
    (pieces,) = plain.wordpieces([TEXT])
    expected = padded(network, pieces.ids)[0][0].numpy()
    np.testing.assert_allclose(adapted.hidden([pieces.ids])[0], expected, atol=1e-4)
    assert np.abs(plain.hidden([pieces.ids])[0] - expected).max() > 0.05
    graph = load_encoder(graphs, "onnx-fp32", adapter=trained)
    np.testing.assert_allclose(graph.hidden([pieces.ids])[0], expected, atol=1e-3)
    assert len({plain.version, adapted.version, load_encoder(graphs, "torch").version}) == 3


# peft reads an attribute of transformers that is to be renamed.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_folding_gives_what_peft_gives(trained: Path, graphs: Path) -> None:
    tensors = load_file(trained)
    bert = AutoModel.from_pretrained(find_weights(), dtype=torch.float32)
    paths = {
        f"{layer}.{name}": f"layer.{layer}.{path}" for layer in range(LAYERS) for name, (path, _, _) in LINEAR.items()
    }
    rank = len(tensors["adapter.0.query.a"])
    # The scale is part of our b: of peft's own, alpha / rank is 1.
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=[f"encoder.{path}" for path in paths.values()])
    reference = get_peft_model(bert, config).eval()
    with torch.no_grad():
        for name, path in paths.items():
            linear = reference.get_submodule(f"base_model.model.encoder.{path}")
            linear.lora_A["default"].weight.copy_(tensors[f"adapter.{name}.a"])
            linear.lora_B["default"].weight.copy_(tensors[f"adapter.{name}.b"])
    encoder = load_encoder(graphs, "torch", adapter=trained)
    (pieces,) = encoder.wordpieces([TEXT])
    with torch.inference_mode():
        expected = reference(input_ids=torch.tensor([[CLS, *pieces.ids, SEP]])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(encoder.hidden([pieces.ids])[0], expected, atol=1e-4)


def test_an_adapter_that_changes_nothing_gives_the_plain_encoder(trained: Path, tmp_path: Path, graphs: Path) -> None:
    tensors = load_file(trained)
    for name in [name for name in tensors if name.startswith("adapter.") and name.endswith(".b")]:
        tensors[name].zero_()
    zero = tmp_path / "zero.safetensors"
    save_file(tensors, zero, METADATA)
    plain, same = load_encoder(graphs, "torch", adapter=None), load_encoder(graphs, "torch", adapter=zero)
    (pieces,) = plain.wordpieces([TEXT])
    np.testing.assert_array_equal(same.hidden([pieces.ids])[0], plain.hidden([pieces.ids])[0])
    assert same.version != plain.version


def test_heads_answer_as_in_training(network: EncoderNetwork, trained: Path, graphs: Path) -> None:
    encoder = load_encoder(graphs, "torch", adapter=trained)
    assert encoder.adapter is not None
    (pieces,) = encoder.wordpieces([TEXT])
    windows = split(TEXT, pieces)
    encoded = join(pieces, windows, encoder.hidden([pieces.ids]))
    spans = [(0, 7), (TEXT.index("Freddie"), TEXT.index(" sang"))]
    starts, ends = zip(*spans, strict=True)
    vectors = mention_vectors(encoded, starts, ends, encoder.adapter.query)
    states, there = padded(network, pieces.ids)
    first, last = (torch.from_numpy(rows.astype(np.int64)) for rows in (vectors.first, vectors.last))
    views, plain = trained_views(states, there, torch.zeros(2, dtype=torch.long), first, last)
    np.testing.assert_allclose(mention_views(encoded, vectors), views.numpy(), atol=1e-4)
    with torch.no_grad():
        query, typed = network.queries(views, plain)
        marks = wordpiece_marks(TEXT, encoded.starts.tolist())
        logs = network.tags(states[:, 1:-1], torch.from_numpy(marks)[None])[0].log_softmax(dim=-1)
    np.testing.assert_allclose(vectors.query, query.numpy(), atol=1e-4)
    np.testing.assert_allclose(vectors.typed, typed.numpy(), atol=1e-4)
    np.testing.assert_allclose(encoder.adapter.span.log_probabilities(encoded.hidden, marks), logs.numpy(), atol=1e-3)
    untrained = mention_vectors(encoded, starts, ends)
    np.testing.assert_allclose(untrained.query, plain.numpy(), atol=1e-4)
    assert not untrained.typed.any()


def test_the_file_tells_what_training_never_saw(trained: Path) -> None:
    assert read_adapter(trained, WEIGHTS_SHA256).held_out == HELD_OUT


def test_the_shipped_file_is_for_the_shipped_encoder() -> None:
    assert read_adapter(SHIPPED, WEIGHTS_SHA256).held_out["pages"] > 0
    assert SHIPPED.stat().st_size < 20e6


def _without(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["adapter.3.value.b"]


def _cut(tensors: dict[str, torch.Tensor]) -> None:
    tensors["type.weight"] = tensors["type.weight"][:5].contiguous()


def _spoilt(tensors: dict[str, torch.Tensor]) -> None:
    tensors["span.outer.bias"][1] = torch.nan


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_without, r"adapter\.3\.value\.b is missing"),
        (_cut, r"type\.weight is \(5, 512\); \(384, 512\) numbers are needed"),
        (_spoilt, r"span\.outer\.bias is no number"),
    ],
)
def test_a_damaged_file_is_told(
    trained: Path, tmp_path: Path, damage: Callable[[dict[str, torch.Tensor]], None], told: str
) -> None:
    tensors = load_file(trained)
    damage(tensors)
    save_file(tensors, tmp_path / "bad.safetensors", METADATA)
    with pytest.raises(EncoderWeightsError, match=rf"bad\.safetensors: {told}.*NAMESAKE_ADAPTER=none"):
        read_adapter(tmp_path / "bad.safetensors", WEIGHTS_SHA256)


def test_a_file_that_is_none_or_of_another_encoder_is_told(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=r"was trained for the encoder .*, not 0000"):
        read_adapter(trained, "0" * 64)
    with pytest.raises(EncoderWeightsError, match=r"cannot be read as trained weights"):
        read_adapter(tmp_path / "missing.safetensors", WEIGHTS_SHA256)
    (tmp_path / "cut.safetensors").write_bytes(trained.read_bytes()[:100_000])
    with pytest.raises(EncoderWeightsError, match=r"cannot be read as trained weights"):
        read_adapter(tmp_path / "cut.safetensors", WEIGHTS_SHA256)
