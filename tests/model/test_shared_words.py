"""What a candidate and the text have in common: words, and neighbours in the knowledge base."""

from __future__ import annotations

import numpy as np
import pytest
from test_feature_values import prepare, value
from tiny_kb import ENTITIES

from model.linker import Linker


def test_shared_words_weigh_by_how_few_entities_have_them(tiny_linker: Linker) -> None:
    prepared = prepare(tiny_linker)
    once, twice = np.log(len(ENTITIES)), np.log(len(ENTITIES) / 2)
    # "Helen" and "who" are in one description, "Troy" is a name too; "of" is in too many to tell anything.
    for feature in ("shared_words", "shared_words_near"):
        found = value(tiny_linker, prepared, 1, "Paris_(mythology)", feature)
        assert found == pytest.approx(np.log1p(2 * once + twice), abs=1e-5)
        assert value(tiny_linker, prepared, 1, "Paris", feature) == pytest.approx(np.log1p(twice), abs=1e-5)
        assert value(tiny_linker, prepared, 1, "Paris,_Texas", feature) == 0


def test_the_mentions_own_words_count_for_no_candidate(tiny_linker: Linker) -> None:
    prepared = prepare(tiny_linker, "Somebody went to Troy yesterday.", ("Troy",))
    assert value(tiny_linker, prepared, 0, "Troy", "shared_words") == 0
    assert value(tiny_linker, prepared, 0, "Troy", "words_known") > 0


def test_far_words_are_shared_but_not_near(tiny_linker: Linker) -> None:
    prepared = prepare(tiny_linker, "Paris came back. " + "Nobody said a thing. " * 10 + "Helen wept.", ("Paris",))
    assert value(tiny_linker, prepared, 0, "Paris_(mythology)", "shared_words") > 0
    assert value(tiny_linker, prepared, 0, "Paris_(mythology)", "shared_words_near") == 0


def test_a_common_neighbour_speaks_for_a_candidate(starter_linker: Linker) -> None:
    prepared = prepare(starter_linker, "Valencia lies west of Caracas.", ("Valencia", "Caracas"))
    venezuelan = value(starter_linker, prepared, 0, "Valencia,_Venezuela", "shared_neighbours")
    assert venezuelan > value(starter_linker, prepared, 0, "Valencia", "shared_neighbours")
