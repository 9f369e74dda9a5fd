"""The token encoder on torch: a GPU where there is one, and the reference that the ONNX graphs are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from model.adapter import Adapter
from model.encoder import FloatArray, open_bert

BATCH_TOKENS = 16384


class TorchRunner:
    """Runs the encoder with torch, in batches of sequences of similar length; fp32 on a CPU, fp16 on a GPU."""

    def __init__(self, folder: Path, adapter: Adapter | None = None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        # What was trained is folded in before numbers lose digits.
        self._model = open_bert(folder, adapter).to(self.device, dtype)

    @torch.inference_mode()
    def run(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Encode sequences of wordpiece ids; see `model.encoder.Runner`."""
        order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
        results: list[FloatArray | None] = [None] * len(sequences)
        while order:
            width = len(sequences[order[-1]])
            count = max(1, BATCH_TOKENS // width)
            batch, order = order[-count:], order[:-count]
            ids = torch.zeros((len(batch), width), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, index in enumerate(batch):
                length = len(sequences[index])
                ids[row, :length] = torch.tensor(sequences[index])
                mask[row, :length] = 1
            output = self._model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device))
            hidden = output.last_hidden_state.float().cpu().numpy()
            for row, index in enumerate(batch):
                results[index] = np.ascontiguousarray(hidden[row, : len(sequences[index])])
        return [result for result in results if result is not None]
