"""A linear layer whose answer for a row does not depend on the rows beside it."""

from __future__ import annotations

import numpy as np

from model.protocols import FloatArray

BLOCK = 16  # rows multiplied together: libraries round a product as it happens to suit its number of rows


def linear(rows: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """Return rows @ weight.T + bias (rows x outputs).

    Args:
        rows: rows x inputs.
        weight: outputs x inputs; fastest where that is the transpose of an array in memory.
        bias: outputs.
    """
    count, inputs = rows.shape
    blocks = np.zeros((-(-count // BLOCK), BLOCK, inputs), dtype=np.float32)
    blocks.reshape(-1, inputs)[:count] = rows
    products = (blocks @ weight.T).reshape(-1, len(bias))[:count]
    products += bias
    return products
