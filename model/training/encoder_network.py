"""The token encoder with a LoRA adapter (Hu et al., 2022), and the heads that read it: query, type, and span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from transformers import AutoModel

from model.adapter import ENCODER, HELD_OUT, LINEAR, QUERY_HIDDEN, VIEWS
from model.encoder import CLS, SEP
from model.encoder_weights import HIDDEN_SIZE
from model.mention_vectors import LOCAL
from model.span_head import MARKS, SHAPES, SPAN_HIDDEN

MASK = 103
ADAPTER_SCALE = 2.0  # alpha / rank: keeps learning rates comparable between ranks


class LowRank(nn.Module):
    """What LoRA adds to a matrix. Added to the weights, it costs nothing for each wordpiece; beside them, it would."""

    def __init__(self, outputs: int, inputs: int, rank: int) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.empty(rank, inputs))
        self.b = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted matrix (outputs x inputs)."""
        return weight + ADAPTER_SCALE * (self.b @ self.a)


class EncoderNetwork(nn.Module):
    """What is trained. Without training it answers as the plain encoder does."""

    def __init__(self, folder: Path, rank: int, frozen: bool = False) -> None:
        """Open the encoder in `folder` and put an adapter of this rank beside each of its matrices.

        Args:
            frozen: let the adapter stay without effect, and train the heads alone.
        """
        super().__init__()
        plain = AutoModel.from_pretrained(folder, dtype=torch.float32)
        self.bert = plain.requires_grad_(False)
        for _, linear in _adapted(self.bert):
            outputs, inputs = linear.weight.shape
            adapter = LowRank(outputs, inputs, rank).requires_grad_(not frozen)
            parametrize.register_parametrization(linear, "weight", adapter)
        self.inner = nn.Linear(VIEWS * HIDDEN_SIZE, QUERY_HIDDEN)
        self.query = nn.Linear(QUERY_HIDDEN, HIDDEN_SIZE)
        self.types = nn.Linear(QUERY_HIDDEN, HIDDEN_SIZE)
        self.span_inner = nn.Linear(HIDDEN_SIZE + 3 * MARKS, SPAN_HIDDEN)
        self.span_outer = nn.Linear(SPAN_HIDDEN, 3)
        self.query_scale = nn.Parameter(torch.tensor(3.0))  # logarithms of inverse temperatures
        self.type_scale = nn.Parameter(torch.tensor(2.5))
        nn.init.zeros_(self.query.weight)
        nn.init.zeros_(self.query.bias)

    def hidden(self, pieces: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode padded wordpieces (rows x T) with special tokens around each row.

        Returns:
            Vectors (rows x (T + 2) x 384), that of [CLS] first; and which of them are there, [SEP] included.
        """
        rows, longest = pieces.shape
        ids = functional.pad(pieces, (1, 1))
        ids[:, 0] = CLS
        ids[torch.arange(rows, device=ids.device), lengths + 1] = SEP
        there = torch.arange(longest + 2, device=ids.device)[None] < (lengths + 2)[:, None]
        states: Tensor = self.bert(input_ids=ids, attention_mask=there.long()).last_hidden_state
        return states.float(), there

    def embed(self, pieces: Tensor, lengths: Tensor) -> Tensor:
        """Return a unit vector for each row of wordpieces: the mean of its vectors (rows x 384)."""
        states, there = self.hidden(pieces, lengths)
        return functional.normalize((states * there[..., None]).sum(dim=1), dim=-1)

    def queries(self, views: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors near to the entity meant and near to the names of its types (mentions x 384 each)."""
        inner = functional.gelu(self.inner(views.flatten(1)))
        query = functional.normalize(plain + self.query(inner).float(), dim=-1)
        return query, functional.normalize(self.types(inner).float(), dim=-1)

    def tags(self, states: Tensor, marks: Tensor) -> Tensor:
        """Return logits of tags (wordpieces x 3) from vectors and marks (wordpieces x 3 MARKS)."""
        inner = functional.relu(self.span_inner(torch.cat([states, marks], dim=-1)))
        logits: Tensor = self.span_outer(inner).float()
        return logits


def mention_views(states: Tensor, there: Tensor, window: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `model.mention_vectors` does: views (mentions x VIEWS x 384) and plain queries (mentions x 384).

    Args:
        states, there: as `EncoderNetwork.hidden` gives them.
        window, first, last: of each mention its row, and its wordpieces there (special tokens not counted).
    """
    running = functional.pad(torch.cumsum(states[:, 1:], dim=1), (0, 0, 1, 0))
    length = there.sum(dim=1)[window] - 2

    def mean(start: Tensor, end: Tensor) -> Tensor:
        return functional.normalize(running[window, end] - running[window, start], dim=-1)

    own = mean(first, last)
    local = mean((first - LOCAL).clamp_min(0), torch.minimum(last + LOCAL, length))
    whole = functional.normalize((states * there[..., None]).sum(dim=1), dim=-1)[window]
    views = torch.stack([own, local, whole, states[window, first + 1], states[window, last]], dim=1)
    return views, functional.normalize(own + 0.5 * local + 0.5 * whole, dim=-1)


def unpacked_marks(packed: Tensor, there: Tensor) -> Tensor:
    """Return marks with those of both neighbours (rows x T x 3 MARKS) from packed ones (rows x T)."""
    shape = functional.one_hot(packed & 7, SHAPES).float()
    rest = torch.stack([(packed >> 3) & 1, (packed >> 4) & 1], dim=-1).float()
    own = functional.pad(torch.cat([shape, rest], dim=-1) * there[..., None], (0, 0, 1, 1))
    return torch.cat([own[:, :-2], own[:, 1:-1], own[:, 2:]], dim=-1)


def trained_tensors(network: EncoderNetwork) -> dict[str, Tensor]:
    """Return what training made, by the names under which it is stored; an adapter's scale is part of its `b`."""
    tensors: dict[str, Tensor] = {}
    for name, linear in _adapted(network.bert):
        added = linear.parametrizations.weight[0]
        tensors[f"adapter.{name}.a"] = added.a
        tensors[f"adapter.{name}.b"] = added.b * ADAPTER_SCALE
    for stored, module in (
        ("query.inner", network.inner),
        ("query.outer", network.query),
        ("type", network.types),
        ("span.inner", network.span_inner),
        ("span.outer", network.span_outer),
    ):
        tensors[f"{stored}.weight"], tensors[f"{stored}.bias"] = module.weight, module.bias
    return {name: tensor.detach().half().cpu().contiguous() for name, tensor in tensors.items()}


def save_trained(network: EncoderNetwork, path: Path, encoder_sha256: str, held_out: Mapping[str, float]) -> None:
    """Write what training made, for `model.adapter.read_adapter`.

    Args:
        encoder_sha256: the weights that training started from.
        held_out: see `model.adapter.Adapter`.

    Raises:
        OSError: the disk is full; a file that was there stays.
    """
    metadata = {ENCODER: encoder_sha256} | {name: str(held_out[name]) for name in HELD_OUT}
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(save(trained_tensors(network), metadata))
    unfinished.replace(path)


def _adapted(bert: Any) -> Iterator[tuple[str, Any]]:
    """Yield the matrices that get an adapter, and their names."""
    for number, layer in enumerate(bert.encoder.layer):
        for name, (path, _, _) in LINEAR.items():
            yield f"{number}.{name}", layer.get_submodule(path)
