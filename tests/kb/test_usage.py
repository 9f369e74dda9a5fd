"""Usage vectors in the database: one corpus's in place of another's, and those of merged entities as one."""

from __future__ import annotations

import numpy as np
import pytest
from kb_files import Kb, entity
from sqlalchemy.orm import Session

from kb import undoing
from kb.curation import Edit
from kb.joining import merge_entities, rename_entity
from kb.usage import Usage, other_model, read_usage, replace_usage, usage_of

MODEL = "mini-1"
EDIT = Edit("merge", "ada")


def put(kb: Kb, links: dict[str, tuple[int, float]], model: str = MODEL) -> None:
    vectors = np.array([np.full(384, value) for _, value in links.values()], dtype=np.float16).reshape(-1, 384)
    counts = np.array([count for count, _ in links.values()], dtype=np.int32)
    with Session(kb.engine) as session, session.begin():
        replace_usage(session, kb.namespace, model, Usage(list(links), counts, vectors))


def shown(usage: Usage) -> dict[str, tuple[int, float]]:
    for vector in usage.vectors:
        assert (vector == vector[0]).all()
    values = [round(float(vector[0]), 3) for vector in usage.vectors]
    return dict(zip(usage.ids, zip(usage.links.tolist(), values, strict=True), strict=True))


def known(kb: Kb, model: str = MODEL) -> dict[str, tuple[int, float]]:
    """Return what is known of the entities that there are; all and some of them are read to the same effect."""
    with Session(kb.engine) as session:
        there = sorted(kb.records())
        every = shown(read_usage(session, kb.namespace, model))
        some = shown(usage_of(session, kb.namespace, model, there))
    assert {key: value for key, value in every.items() if key in there} == some
    return some


@pytest.fixture
def named(kb: Kb) -> Kb:
    kb.load([entity("a"), entity("b"), entity("c")])
    return kb


def test_a_corpus_takes_the_place_of_the_one_before(named: Kb) -> None:
    put(named, {"a": (3, 0.5), "b": (1, 0.25)})
    version = named.version()
    assert known(named) == {"a": (3, 0.5), "b": (1, 0.25)}
    put(named, {"c": (2, -0.125)})
    assert known(named) == {"c": (2, -0.125)}
    assert named.sql("SELECT kind FROM change WHERE namespace = :namespace ORDER BY version DESC LIMIT 1") == [
        ("entity_usage",)
    ]
    assert named.version() == version + 1
    put(named, {})
    assert known(named) == {}


def test_a_merged_entity_is_written_about_as_both_were(named: Kb) -> None:
    put(named, {"a": (3, 0.5), "b": (1, 0.25)})
    with Session(named.engine) as session, session.begin():
        merge_entities(session, named.namespace, "a", "b", None, EDIT)
    assert known(named) == {"a": (4, 0.438)}  # (3 * 0.5 + 0.25) / 4 in half precision
    with Session(named.engine) as session, session.begin():
        rename_entity(session, named.namespace, "a", "z", None, EDIT)
        merge_entities(session, named.namespace, "c", "z", None, EDIT)
    assert known(named) == {"c": (4, 0.438)}


def test_what_an_undone_merge_joined_is_apart_again(named: Kb) -> None:
    put(named, {"a": (3, 0.5), "b": (1, 0.25)})
    with Session(named.engine) as session, session.begin():
        merge_entities(session, named.namespace, "a", "b", None, EDIT)
    with Session(named.engine) as session, session.begin():
        undoing.undo_since(session, named.namespace, None, "ada", Edit("undo", "bob"))
    assert known(named) == {"a": (3, 0.5), "b": (1, 0.25)}


def test_a_deleted_entity_that_comes_back_is_written_about_as_before(named: Kb) -> None:
    put(named, {"a": (3, 0.5)})
    record = named.records()["a"]
    named.delete("a")
    assert known(named) == {}
    named.put(record)
    assert known(named) == {"a": (3, 0.5)}


def test_vectors_of_another_model_are_left_out_and_told_of(named: Kb) -> None:
    with Session(named.engine) as session:
        assert other_model(session, named.namespace, MODEL) is None
    put(named, {"a": (3, 0.5)})
    assert known(named, "mini-2") == {}
    with Session(named.engine) as session:
        assert other_model(session, named.namespace, "mini-2") == MODEL
        assert other_model(session, named.namespace, MODEL) is None
