"""Training the query head: mentions are to be near their entities (InfoNCE: van den Oord et al., 2018).

Each mention is told from the entities of the other mentions of its batch, and from those that the search by meaning
finds for it instead (hard negatives, looked for anew as the head learns: Xiong et al., 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.encoder_weights import HIDDEN_SIZE
from model.evaluation.corpus import LabelledDocument
from model.linker import Linker, given_spans
from model.mention_vectors import VIEWS, mention_vectors, mention_views
from model.protocols import FloatArray, IntArray
from model.queries import HIDDEN, QueryHead, retrieval_vectors
from model.types import Document, Span

FEWEST = 4096  # mentions
EPOCHS = 4
MINED_BEFORE = (1, 3)  # epochs before which hard negatives are looked for
MINED, HARD = 24, 8  # how many are found for a mention, and of them how many a step takes
BATCH = 512
LEARNING_RATE = 1e-3
SEARCHED = 256  # mentions searched for at a time
ENCODED = 64  # documents

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Mentions:
    """Mentions of training documents whose entity the KB has.

    Attributes:
        views: mentions x VIEWS x 384, in half precision.
        plain: their plain queries (mentions x 384).
        gold: ordinals of their entities.
    """

    views: npt.NDArray[np.float16]
    plain: FloatArray
    gold: IntArray


class _Head(nn.Module):
    """What `model.queries.QueryHead` computes, where it can be trained; at first it adds nothing to the plain query."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(VIEWS * HIDDEN_SIZE, HIDDEN)
        self.outer = nn.Linear(HIDDEN, HIDDEN_SIZE)
        self.scale = nn.Parameter(torch.tensor(3.0))  # logarithm of the inverse temperature
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, views: Tensor, plain: Tensor) -> Tensor:
        return functional.normalize(plain + self.outer(functional.gelu(self.inner(views))), dim=-1)


def fit_query_head(
    linker: Linker, documents: Sequence[LabelledDocument], seed: int, progress: Progress, fewest: int = FEWEST
) -> QueryHead | None:
    """Train a head on the links of documents; None if there are fewer than `fewest`, which would teach it names."""
    mentions = _mentions(linker, documents, progress)
    if len(mentions.gold) < fewest:
        return None
    steps = max(1, len(mentions.gold) // BATCH)
    torch.manual_seed(seed)
    head = _Head()
    optimiser = torch.optim.AdamW(head.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=EPOCHS * steps, pct_start=0.1)
    random = np.random.default_rng(seed)
    hard = random.choice(mentions.gold, (len(mentions.gold), MINED))
    for epoch in range(EPOCHS):
        if epoch in MINED_BEFORE:
            hard = _mine(linker, head, mentions)
        order = random.permutation(len(mentions.gold))
        for step in range(steps):
            rows = order[step * BATCH : (step + 1) * BATCH]
            others = hard[rows][:, random.permutation(MINED)[:HARD]]
            loss = _loss(head, mentions, rows, others, linker)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            progress("queries", epoch * steps + step + 1, EPOCHS * steps)
    return QueryHead({n: v.detach().numpy().astype(np.float32) for n, v in head.named_parameters() if n != "scale"})


def _mentions(linker: Linker, documents: Sequence[LabelledDocument], progress: Progress) -> Mentions:
    views, plain, gold = [], [], []
    for start in range(0, len(documents), ENCODED):
        block = documents[start : start + ENCODED]
        known = [
            Document(document.id, document.text, tuple(Span(m.start, m.end) for m in document.mentions if m.entity))
            for document in block
        ]
        for labelled, document, encoded in zip(block, known, linker.encode(known), strict=True):
            if encoded is None or not document.mentions:
                continue
            spans, order = given_spans(document)
            named = [linker.store.ordinal(mention.entity) for mention in labelled.mentions if mention.entity]
            ordinals = np.array([-1 if named[at] is None else named[at] for at in order], dtype=np.int32)
            vectors = mention_vectors(encoded, spans.starts.tolist(), spans.ends.tolist())
            there = ordinals >= 0
            views.append(mention_views(encoded, vectors)[there].astype(np.float16))
            plain.append(vectors.plain_query()[there])
            gold.append(ordinals[there])
        progress("encoding", min(start + ENCODED, len(documents)), len(documents))
    nothing = np.zeros((0, VIEWS, HIDDEN_SIZE), dtype=np.float16)
    return Mentions(
        np.concatenate([nothing, *views]),
        np.concatenate([nothing[:, 0].astype(np.float32), *plain]),
        np.concatenate([np.zeros(0, np.int32), *gold]),
    )


def _mine(linker: Linker, head: _Head, mentions: Mentions) -> IntArray:
    """Return the entities that each mention finds now (mentions x MINED); its own where there are fewer."""
    found = []
    for start in range(0, len(mentions.gold), SEARCHED):
        rows = np.arange(start, min(start + SEARCHED, len(mentions.gold)))
        with torch.inference_mode():
            queries = _queries(head, mentions, rows).numpy()
        ordinals, _ = linker.source.nearest(queries, MINED)
        found.append(np.where(ordinals < 0, mentions.gold[rows][:, None], ordinals))
    return np.concatenate(found)


def _loss(head: _Head, mentions: Mentions, rows: npt.NDArray[np.int64], others: IntArray, linker: Linker) -> Tensor:
    gold = mentions.gold[rows]
    ordinals, where = np.unique(np.concatenate([gold, others.ravel()]), return_inverse=True)
    entities = torch.from_numpy(retrieval_vectors(ordinals.astype(np.int32), linker.store))
    similarity = _queries(head, mentions, rows) @ entities.T
    return functional.cross_entropy(similarity * head.scale.exp(), torch.from_numpy(where[: len(gold)]))


def _queries(head: _Head, mentions: Mentions, rows: npt.NDArray[np.int64]) -> Tensor:
    views = torch.from_numpy(mentions.views[rows].astype(np.float32)).flatten(1)
    queries: Tensor = head(views, torch.from_numpy(mentions.plain[rows]))
    return queries
