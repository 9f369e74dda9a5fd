"""How rare an entity is taken to be, by how often it was linked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.protocols import IntArray


def rare_probability(popularity: IntArray) -> npt.NDArray[np.float64]:
    """Return 0.95 count^-0.32, at least 0.05: by this, Orr et al. (2020) hide more of what is rare."""
    return np.clip(0.95 * np.maximum(popularity, 1).astype(np.float64) ** -0.32, 0.05, 0.95)
