"""How mentions without an entity are gathered: by name, by the vectors of what is around them, once each."""

import numpy as np
import pytest
from kb_files import Kb
from sqlalchemy.orm import Session

from kb.conflicts import NamespaceMissing
from kb.curation import ensure_namespace
from kb.proposals import CONTEXT, NilMention, add_mentions, cut, list_proposals

EAST, NORTH = np.eye(384, dtype=np.float32)[:2]
BETWEEN = (EAST + NORTH) / np.sqrt(np.float32(2))


def add(kb: Kb, name: str, vector: np.ndarray, version: str = "v1", least: float = 0.5, context: str = "") -> int:
    mention = NilMention(f"{name} {context}", 0, len(name))
    with Session(kb.engine) as session, session.begin():
        ensure_namespace(session, kb.namespace)
        return add_mentions(session, kb.namespace, [mention], vector[None], version, least)


def gathered(kb: Kb) -> list[list[tuple[str, int]]]:
    with Session(kb.engine) as session:
        return sorted(sorted(item.names) for item in list_proposals(session, kb.namespace))


def test_the_same_name_means_two_things_where_vectors_differ(kb: Kb) -> None:
    for number, vector in enumerate((EAST, NORTH, EAST, NORTH, NORTH)):
        assert add(kb, "Zora Quill", vector, context=str(number)) == 1
    assert gathered(kb) == [[("Zora Quill", 2)], [("Zora Quill", 3)]]


def test_the_mean_over_a_proposal_decides(kb: Kb) -> None:
    add(kb, "Quill", EAST, context="a")
    add(kb, "Quill", BETWEEN, context="b")  # cosine 0.71
    add(kb, "Quill", NORTH, context="c")  # mean of 0 and 0.71
    assert gathered(kb) == [[("Quill", 1)], [("Quill", 2)]]


@pytest.mark.parametrize(
    ("name", "related"),
    [("zora  QUILL", True), ("Quill", True), ("Dr Zora Quill", True), ("Quillon", False), ("ill", False), ("%", False)],
)
def test_names_are_related_by_whole_words(kb: Kb, name: str, related: bool) -> None:
    add(kb, "Zora Quill", EAST)
    add(kb, name, EAST)
    assert len(gathered(kb)) == (1 if related else 2)


def test_vectors_of_another_encoder_are_not_compared(kb: Kb) -> None:
    add(kb, "Quill", EAST, "v1", context="a")
    add(kb, "Quill", EAST, "v2", context="b")
    assert len(gathered(kb)) == 2


def test_a_mention_is_stored_once(kb: Kb) -> None:
    assert [add(kb, "Quill", EAST), add(kb, "Quill", NORTH)] == [1, 0]
    assert gathered(kb) == [[("Quill", 1)]]


def test_none_is_stored_where_there_is_no_knowledge_base(kb: Kb) -> None:
    with Session(kb.engine) as session, pytest.raises(NamespaceMissing):
        add_mentions(session, kb.namespace, [NilMention("Quill", 0, 5)], EAST[None], "v1", 0.5)


def test_the_context_is_cut_and_its_name_left_out_of_what_is_compared() -> None:
    body = "x" * 1000 + "Quill met Quill" + "y" * 1000
    mention = cut(body, 1000, 1005)
    assert (mention.name, mention.start, len(mention.context)) == ("Quill", CONTEXT, 2 * CONTEXT + 5)
    assert "they met they" in mention.around
    assert cut("Quill", 0, 5) == NilMention("Quill", 0, 5)
