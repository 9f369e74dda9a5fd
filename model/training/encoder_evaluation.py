"""What an encoder in training reaches on pages that it does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.span_head import tagged_stretches
from model.training.encoder_batches import NumberArray

if TYPE_CHECKING:
    from model.training.encoder_task import EncoderTask

MOST_MEASURED = 8000  # mentions of a source


def evaluate(task: EncoderTask) -> dict[str, float]:
    """Measure by source: is the right entity among the nearest 1, 10 or 30 of all, is it the nearest of those that bear
    the mention's alias; and, where every mention is marked, precision and recall of the tagged stretches.
    """
    values: dict[str, float] = {}
    entities = task.entity_vectors()
    held_out = task.sampler.held_out
    for number, source in enumerate(task.data.sources):
        windows = held_out[task.data.windows.source[held_out] == number]
        mentions, within = task.sampler.mentions_of(windows, None)
        mentions, within = mentions[:MOST_MEASURED], within[:MOST_MEASURED]
        if len(mentions):
            measured = _linking(task, windows, mentions, within, entities)
            values |= {f"{name} {source}": value for name, value in measured.items()}
    return values | _tagging(task)


def _linking(
    task: EncoderTask, windows: NumberArray, mentions: NumberArray, within: NumberArray, entities: Tensor
) -> dict[str, float]:
    gold = task.data.windows.gold[mentions]
    near = task.nearest(windows, mentions, within, entities, 30).numpy()
    right = near == gold[:, None]
    queries, _ = task.queries(windows, mentions, within)
    bearers = np.concatenate([gold[:, None], task.data.windows.bearers[mentions]], axis=1)
    index = torch.from_numpy(np.maximum(bearers, 0).astype(np.int64)).to(task.device)
    scores = torch.stack(
        [(queries * entities[index[:, column]].float()).sum(dim=-1) for column in range(bearers.shape[1])], dim=1
    )
    scores[torch.from_numpy(bearers < 0).to(task.device)] = -2
    found = {f"recall@{k}": float(right[:, :k].any(axis=1).mean()) for k in (1, 10, 30)}
    return found | {"right bearer": float((scores.argmax(dim=1) == 0).float().mean())}


def _tagging(task: EncoderTask) -> dict[str, float]:
    windows = task.data.windows
    rows = task.sampler.held_out[windows.exhaustive[task.sampler.held_out]]
    if not len(rows):
        return {}
    found: set[tuple[int, int, int]] = set()
    gold: set[tuple[int, int, int]] = set()
    certain = np.eye(4, dtype=np.float32)  # the last row, for what is unknown, says outside
    for row in rows.tolist():
        found |= {(row, *stretch) for stretch in tagged_stretches(task.tag_logs(row))}
        tags = windows.tags[slice(*windows.pieces.offsets[row : row + 2])]
        gold |= {(row, *stretch) for stretch in tagged_stretches(certain[tags][:, :3])}
    right = len(found & gold)
    return {"tag precision": right / max(len(found), 1), "tag recall": right / max(len(gold), 1)}
