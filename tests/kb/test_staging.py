"""Rows reach the tables as they are, whatever characters they have."""

from __future__ import annotations

import pytest
from kb_files import Kb

from kb import curation
from kb.records import AliasRecord, EntityRecord, RelationRecord

ODD = [
    "\\",
    "\\N",
    "\\.",
    "a\\tb",
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    'quo"te',
    "\x01\x7f\u2028",
    "\\x41",
    "\\\n",
]
# Folding makes a backslash of these.
FOLDED = ["full\uff3cwidth", "small\ufe68"]


@pytest.mark.parametrize("odd", ODD + FOLDED)
def test_odd_characters(kb: Kb, odd: str) -> None:
    record = EntityRecord(
        f"id {odd}",
        f"label {odd}",
        f"description {odd}",
        odd,
        (AliasRecord(f"alias {odd}", 3, f"x{odd}"), AliasRecord(f"label {odd}", 1)),
        (f"type {odd}",),
        (RelationRecord(f"predicate {odd}", f"object {odd}"),),
        {f"scheme {odd}": f"value {odd}"},
        5,
        f"source {odd}",
    )
    kb.put(record, actor=odd, comment=odd)
    assert kb.records() == {record.id: record}
    assert curation.stage(record).record == record
    told = kb.sql("SELECT after, actor, comment FROM revision WHERE namespace = :namespace AND entity_id IS NOT NULL")
    assert [(after["text"], actor, comment) for after, actor, comment in told] == [(odd, odd, odd)]
    changed = kb.sql("SELECT entity_id FROM change WHERE namespace = :namespace AND kind = 'entity'")
    assert changed == [(record.id,)]
    assert kb.put(record).unchanged == 1
    kb.put(EntityRecord(record.id, "plain"))
    kb.put(record)
    assert kb.records() == {record.id: record}


def test_the_compared_form_of_a_name_is_what_normalise_makes_of_it(kb: Kb) -> None:
    kb.put(EntityRecord("x", "Full\uff3cWidth"))
    assert kb.sql("SELECT normalised FROM alias WHERE namespace = :namespace") == [("full\\width",)]


def test_entities_of_several_sources(kb: Kb) -> None:
    records = [EntityRecord(f"e{n}", f"E{n}", source=(None, "A", "B")[n % 3]) for n in range(9)]
    kb.put(*records)
    assert [record.source for record in kb.records().values()] == [None, "A", "B"] * 3
