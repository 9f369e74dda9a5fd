"""Numbers of half precision become the same numbers in single precision, all that there are."""

from __future__ import annotations

import numpy as np

from kb.halves import singles


def test_every_finite_number_stays_the_same() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    found = singles(finite)
    np.testing.assert_array_equal(found, finite.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(finite))


def test_rows_keep_their_shape_and_the_stored_ones_stay_as_they_are() -> None:
    stored = np.linspace(-1, 1, 24, dtype=np.float16).reshape(4, 6)
    before = stored.copy()
    np.testing.assert_array_equal(singles(stored[:, ::2]), before[:, ::2].astype(np.float32))
    np.testing.assert_array_equal(stored, before)
    assert singles(stored[:0]).shape == (0, 6)
