"""The fusion network: candidates read the window's words (phrase attention) and each other (co-occurrence and KG
attention), after Bootleg (Orr et al., 2020).

No parameter belongs to an entity, a type or a predicate: all that the network knows of one comes in with its channels,
so that those which appear after training work at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.adapter import VIEWS
from model.encoder_weights import HIDDEN_SIZE
from model.fusion.inputs import CHANNELS, DISTANCES, EDGES

MASKED = -1e4  # an attention logit that means never, also in half precision


@dataclass(frozen=True, slots=True)
class FusionSize:
    """What shapes the network; `phrase`, `cooccurrence` and `kg` switch the three attentions on."""

    features: int
    nil_features: int
    width: int = 128
    similarity: int = 64
    heads: int = 4
    layers: int = 2
    dropout: float = 0.1
    phrase: bool = True
    cooccurrence: bool = True
    kg: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows beside each other, padded (see `model.fusion.inputs.WindowInputs` for what each holds).

    Attributes:
        mentions: B x M x VIEWS x 384.
        wordpieces, wordpiece_mask: B x T x 384, B x T.
        distances: B x M x T.
        owner, candidate_mask: B x C.
        features, nil: B x C x F, B x M x N.
        channels, present: B x C x CHANNELS x 384, B x C x CHANNELS.
        edges: B x C x C x EDGES.
    """

    mentions: Tensor
    wordpieces: Tensor
    wordpiece_mask: Tensor
    distances: Tensor
    owner: Tensor
    candidate_mask: Tensor
    features: Tensor
    nil: Tensor
    channels: Tensor
    present: Tensor
    edges: Tensor


class Attention(nn.Module):
    """Multi-head attention with a bias, and with nothing to look at as one more choice."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.nothing = nn.Parameter(torch.zeros(2, width))
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, queries: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Attend (queries: B x Q x width, keys: B x K x width, bias: B x 1 or heads x Q x K)."""
        batch = queries.shape[0]
        key, value = self.key_value(keys).chunk(2, dim=-1)
        nothing_key, nothing_value = (part.expand(batch, 1, -1) for part in self.nothing)
        key, value = torch.cat([nothing_key, key], dim=1), torch.cat([nothing_value, value], dim=1)
        bias = functional.pad(bias, (1, 0)).expand(-1, self.heads, -1, -1)
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(queries)), self._split(key), self._split(value), attn_mask=bias
        )
        joined: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return joined

    def _split(self, rows: Tensor) -> Tensor:
        return rows.reshape(*rows.shape[:-1], self.heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """One round of reading: the words around, the other mentions' candidates, then a feed-forward step."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        width = size.width
        self.phrase = Attention(width, size.heads) if size.phrase else None
        self.cooccurrence = Attention(width, size.heads) if size.cooccurrence else None
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, candidates: Tensor, words: Tensor, near: Tensor, agreement: Tensor) -> Tensor:
        """Update candidates (B x C x width); `near` and `agreement` are the biases of the two attentions."""
        if self.phrase is not None:
            candidates = candidates + self.dropout(self.phrase(self.norms[0](candidates), words, near))
        if self.cooccurrence is not None:
            normed = self.norms[1](candidates)
            candidates = candidates + self.dropout(self.cooccurrence(normed, normed, agreement))
        result: Tensor = candidates + self.dropout(self.feed_forward(self.norms[2](candidates)))
        return result


class FusionNetwork(nn.Module):
    """Scores the candidates of windows, and NIL for each mention."""

    def __init__(self, size: FusionSize) -> None:
        super().__init__()
        self.size = size
        width = size.width
        self.feature_scale = _Scale(size.features)
        self.nil_scale = _Scale(size.nil_features)
        self.feature_weights = nn.Linear(size.features, 1, bias=False)
        self.nil_weights = nn.Linear(size.nil_features, 1)
        self.mention_sides = nn.Linear(VIEWS * HIDDEN_SIZE, CHANNELS * size.similarity)
        self.entity_sides = nn.ModuleList(
            [nn.Linear(HIDDEN_SIZE, size.similarity, bias=False) for _ in range(CHANNELS)]
        )
        self.similarity_weights = nn.Parameter(torch.zeros(CHANNELS))
        self.from_mention = nn.Linear(VIEWS * HIDDEN_SIZE, width)
        self.from_features = nn.Linear(size.features + 2 * CHANNELS, width)
        self.from_channels = _projections(width)
        self.from_words = nn.Linear(HIDDEN_SIZE, width)
        self.distance_bias = nn.Embedding(DISTANCES, size.heads)
        self.edge_bias = nn.Parameter(torch.zeros(EDGES, size.heads))
        self.likely_bias = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList([Layer(size) for _ in range(size.layers)])
        self.context = nn.Sequential(nn.LayerNorm(width), *_last(width, width))
        self.nil_context = nn.Sequential(*_last(size.nil_features + width, width))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Score.

        Returns:
            What adds up to each candidate's score (B x C x features + CHANNELS + 1): the features' contributions, the
            learned similarities', the context's; those contributions' sum (B x C), MASKED where there is no candidate;
            and the score of NIL (B x M).
        """
        features, nil = self.feature_scale(batch.features), self.nil_scale(batch.nil)
        views = batch.mentions.flatten(2)
        similarities = self._similarities(views, batch)
        from_features = features * self.feature_weights.weight[0]
        mentions = self.from_mention(views)
        candidates = self.from_features(torch.cat([features, similarities, batch.present], dim=-1))
        candidates = candidates + _of_owner(mentions, batch.owner)
        for number, project in enumerate(self.from_channels):
            candidates = candidates + project(batch.channels[:, :, number]) * batch.present[:, :, number, None]
        candidates = self.dropout(candidates)
        near = self._near(batch)
        agreement = self._agreement(batch, from_features.sum(dim=-1), mentions.shape[1])
        words = self.from_words(batch.wordpieces)
        for layer in self.layers:
            candidates = layer(candidates, words, near, agreement)
        parts = torch.cat([from_features, similarities * self.similarity_weights, self.context(candidates)], dim=-1)
        scores = parts.sum(dim=-1).masked_fill(~batch.candidate_mask, MASKED)
        nil_scores = self.nil_weights(nil) + self.nil_context(torch.cat([nil, mentions], dim=-1))
        return parts, scores, nil_scores.squeeze(-1)

    def _similarities(self, views: Tensor, batch: Batch) -> Tensor:
        """Return a learned similarity of mention and channel (B x C x CHANNELS), 0 where the channel is absent."""
        sides = functional.gelu(self.mention_sides(views))
        sides = sides.reshape(*sides.shape[:-1], CHANNELS, -1)
        entities = torch.stack(
            [project(batch.channels[:, :, number]) for number, project in enumerate(self.entity_sides)], dim=2
        )
        scaled: Tensor = (_of_owner(sides, batch.owner) * entities).sum(dim=-1) / self.size.similarity**0.5
        return scaled * batch.present

    def _near(self, batch: Batch) -> Tensor:
        bias = _of_owner(self.distance_bias(batch.distances), batch.owner).permute(0, 3, 1, 2)
        return bias.masked_fill(~batch.wordpiece_mask[:, None, None, :], MASKED)

    def _agreement(self, batch: Batch, scores: Tensor, mentions: int) -> Tensor:
        """Return the bias of co-occurrence attention: likely candidates of other mentions, related ones above all."""
        likely = mention_log_softmax(scores.masked_fill(~batch.candidate_mask, MASKED), batch.owner, mentions)
        bias = (self.likely_bias * likely.clamp_min(-10))[:, None, None, :]
        if self.size.kg:
            bias = bias + torch.einsum("bqke,eh->bhqk", batch.edges, self.edge_bias)
        own = batch.owner[:, :, None] == batch.owner[:, None, :]
        return bias.masked_fill((own | ~batch.candidate_mask[:, None, :])[:, None], MASKED)


class _Scale(nn.Module):
    """Brings features to mean 0 and deviation 1, as measured on training data."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.deviation


def mention_log_softmax(scores: Tensor, owner: Tensor, mentions: int, nil: Tensor | None = None) -> Tensor:
    """Return log probabilities of candidates (B x C) among those of their mention; with `nil` (B x M), and NIL."""
    batch = scores.shape[0]
    best = torch.full((batch, mentions), MASKED, dtype=scores.dtype, device=scores.device) if nil is None else nil
    best = best.scatter_reduce(1, owner, scores.detach(), "amax", include_self=True).detach()
    sums = torch.zeros_like(best) if nil is None else (nil - best).exp()
    sums = sums.scatter_add(1, owner, (scores - best.gather(1, owner)).exp())
    return scores - (best + sums.clamp_min(1e-30).log()).gather(1, owner)


def _last(inputs: int, width: int) -> list[nn.Module]:
    """Return the layers from a row to one number, which is 0 before training."""
    out = nn.Linear(width, 1)
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    return [nn.Linear(inputs, width), nn.GELU(), out]


def _projections(width: int) -> nn.ModuleList:
    """Return a linear map from each channel's vectors."""
    return nn.ModuleList([nn.Linear(HIDDEN_SIZE, width, bias=False) for _ in range(CHANNELS)])


def _of_owner(rows: Tensor, owner: Tensor) -> Tensor:
    """Return for each candidate the row of its mention (rows: B x M x ..., owner: B x C)."""
    index = owner.view(*owner.shape, *(1,) * (rows.dim() - 2)).expand(*owner.shape, *rows.shape[2:])
    return rows.gather(1, index)
