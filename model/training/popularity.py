"""How often something is hidden in training, by how often an entity was linked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.protocols import IntArray


def rare_probability(popularity: IntArray) -> npt.NDArray[np.float64]:
    """Return how often structure is hidden by how often an entity was linked: 0.95 count^-0.32 (Orr et al., 2020)."""
    return np.clip(0.95 * np.maximum(popularity, 1).astype(np.float64) ** -0.32, 0.05, 0.95)
