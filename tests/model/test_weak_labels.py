"""Weak labels: what gets one by which rule, what does not, and how their precision is estimated."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation import GoldMention, LabelledDocument
from model.linker import Linker
from model.training.weak_labels import Rule, WeakLabeller, with_labels
from model.training.weak_precision import Judge


@pytest.fixture(scope="module")
def labeller(training_linker: Linker) -> WeakLabeller:
    return WeakLabeller(training_linker.source, training_linker.store, ["person"])


def document(text: str, *links: tuple[str, str | None], page: str = "Other", kind: str = "anchor") -> LabelledDocument:
    """A document; of a word that is linked twice, the next occurrence is meant."""
    mentions: list[GoldMention] = []
    for words, entity in links:
        last = max((m.end for m in mentions if text[m.start : m.end] == words), default=0)
        start = text.index(words, last)
        mentions.append(GoldMention(start, start + len(words), entity, kind))
    return LabelledDocument(f"wiki/{page}#0", "wiki", text, tuple(mentions))


def found(labeller: WeakLabeller, document: LabelledDocument) -> list[tuple[str, str, Rule]]:
    return [(document.text[one.start : one.end], one.entity, one.rule) for one in labeller.label(document)]


LINCOLN = "Abraham_Lincoln"


def test_a_pages_own_names(labeller: WeakLabeller) -> None:
    text = "In 1860 Abraham Lincoln ran. Honest Abe won, and Lincoln went to Washington; abraham lincoln, lincoln."
    assert found(labeller, document(text, page=LINCOLN)) == [
        ("Abraham Lincoln", LINCOLN, Rule.LABEL),
        ("Honest Abe", LINCOLN, Rule.ALIAS),
        ("Lincoln", LINCOLN, Rule.ALIAS),
        ("abraham lincoln", LINCOLN, Rule.LABEL),
    ]
    # Of another page the same words are "Lincoln" of two entities, and a name that one alone bears.
    assert found(labeller, document(text)) == [
        ("Abraham Lincoln", LINCOLN, Rule.UNIQUE),
        ("Honest Abe", LINCOLN, Rule.UNIQUE),
    ]


def test_the_page_is_named_by_its_field_its_id_or_its_label(labeller: WeakLabeller) -> None:
    text = "Here Queen played."
    for page in ("Queen_(band)", "Queen (band)", "Queen"):
        for one in (document(text, page=page), replace(document(text), page=page)):
            assert labeller.knows_page(one)
            assert found(labeller, one) == [("Queen", "Queen_(band)", Rule.LABEL)]
    assert not labeller.knows_page(document(text, page="Springfield"))
    assert not labeller.knows_page(LabelledDocument("plain", "wiki", text, ()))


def test_surnames_are_those_of_people(labeller: WeakLabeller) -> None:
    assert found(labeller, document("Then, in 1850, Lincoln wrote.", page="Mary_Todd_Lincoln")) == [
        ("Lincoln", "Mary_Todd_Lincoln", Rule.SURNAME)
    ]
    assert found(labeller, document("Then, later, King spoke.", page="Martin_Luther_King_Jr.")) == [
        ("King", "Martin_Luther_King_Jr.", Rule.SURNAME)
    ]
    # A person by type alone: the last words of other labels are no surnames.
    assert found(labeller, document("The Association met the Memorial.", page="National_Bar_Association")) == []
    assert found(labeller, document("A Rainbows tour.", page="In_Rainbows")) == []


def test_a_part_of_a_longer_name_is_no_name(labeller: WeakLabeller) -> None:
    for text in (
        "He saw the Lincoln Memorial.",  # the longer name is in the knowledge base
        "He saw the Lincoln Tunnel.",
        "He saw the Lincoln-Douglas debate.",
        "He saw Robert Lincoln there.",
        "He saw T. Lincoln there.",
    ):
        assert LINCOLN not in [entity for _, entity, _ in found(labeller, document(text, page=LINCOLN))], text
    for text in ("In Lincoln's house", "said he. Lincoln left", "Saw Washington, Lincoln and all", "(Lincoln)"):
        assert found(labeller, document(text, page=LINCOLN)) == [("Lincoln", LINCOLN, Rule.ALIAS)], text


def test_the_beginning_of_a_sentence_makes_no_name(labeller: WeakLabeller) -> None:
    assert found(labeller, document("In Rainbows, colours are split. In Rainbows was sold.")) == []
    assert found(labeller, document("They sold In Rainbows.")) == [("In Rainbows", "In_Rainbows", Rule.UNIQUE)]
    # "Smile" is the band's other name, and a word that this text has in lower case.
    assert found(labeller, document("Smile when they smile.", page="Queen_(band)")) == []
    assert found(labeller, document("Smile was founded.", page="Queen_(band)")) == [
        ("Smile", "Queen_(band)", Rule.ALIAS)
    ]


def test_names_of_one_entity_have_several_capitalised_words(labeller: WeakLabeller) -> None:
    assert found(labeller, document("The air guitar, the Air guitar, and a lonely man.")) == []
    assert found(labeller, document("The Élysée Palace of Springfield, the NBA")) == [
        ("Élysée Palace", "Élysée_Palace", Rule.UNIQUE)
    ]


def test_names_that_others_may_bear_are_left_alone(labeller: WeakLabeller) -> None:
    # Its id says that there are other cups of tea, and "The Memorial" was seen once.
    assert found(labeller, document("He drank a Cup of Tea at The Memorial.")) == []
    assert found(labeller, document("He drank a Cup of Tea.", page="Cup_of_Tea_(song)")) == [
        ("Cup of Tea", "Cup_of_Tea_(song)", Rule.LABEL)
    ]


def test_words_that_are_linked_elsewhere(labeller: WeakLabeller) -> None:
    city = "Lincoln,_Nebraska"
    twice = document("Lincoln grew; 😀 Lincoln is old. The Lincolns; lincoln.", ("Lincoln", city))
    assert found(labeller, twice) == [("Lincoln", city, Rule.REPEAT)]
    assert [(one.start, one.end) for one in labeller.label(twice)] == [(16, 23)]
    for kind, count in (("table", 1), ("gold", 1), ("weak", 0), ("coref", 0), ("nested", 0)):
        assert len(found(labeller, document("Lincoln and Lincoln", ("Lincoln", city), kind=kind))) == count
    # Two meanings in one document, a link to nothing, or a page that is itself called so: nobody knows.
    both = document("Lincoln, Lincoln, Lincoln", ("Lincoln", city), ("Lincoln", LINCOLN))
    assert found(labeller, both) == []
    assert found(labeller, document("Lincoln, Lincoln", ("Lincoln", None))) == []
    assert found(labeller, document("Lincoln, Lincoln", ("Lincoln", city), page=LINCOLN)) == []
    assert found(labeller, document("1860, 1860; 7, 7", ("1860", "Year"), ("7", "Seven"))) == []
    assert found(labeller, document("a band, a band", ("band", "Queen_(band)"))) == [
        ("band", "Queen_(band)", Rule.REPEAT)
    ]


def test_labels_cross_no_line_break_and_no_mention(labeller: WeakLabeller) -> None:
    assert found(labeller, document("He met Abraham\n\nLincoln", page="x")) == []
    assert found(labeller, document("He met Honest\nAbe", ("met Honest", None), page=LINCOLN)) == []
    assert found(labeller, document("He met Honest Abe.", ("Abe", None), page=LINCOLN)) == []
    assert found(labeller, document("He met Honest Abe.", ("Honest Abe", None), kind="coref")) == []


NAMES = ["Abraham Lincoln", "Lincoln", "Lincoln Memorial", "Honest Abe", "In Rainbows", "Queen", "NBA"]
PIECES = st.lists(st.sampled_from([*NAMES, "smile", "é", ".", "\n", "𝔸", "the", "The"]), max_size=14)


@settings(max_examples=150, deadline=None)
@given(PIECES, st.lists(st.booleans(), min_size=14, max_size=14), st.sampled_from([LINCOLN, "Queen_(band)", "x"]))
def test_labels_are_beside_what_is_there(
    labeller: WeakLabeller, pieces: list[str], linked: list[bool], page: str
) -> None:
    mentions, at = [], 0
    for piece, link in zip(pieces, linked, strict=False):
        if link:
            mentions.append(GoldMention(at, at + len(piece), f"Entity {piece}", "anchor"))
        at += len(piece) + 1
    text = " ".join(pieces)
    before = LabelledDocument(f"wiki/{page}#0", "wiki", text, tuple(mentions))
    labels = labeller.label(before)
    spans = sorted([(one.start, one.end) for one in labels] + [mention.key for mention in mentions])
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for one in labels:
        assert "\n" not in text[one.start : one.end]
        assert text[one.start : one.end].strip() == text[one.start : one.end] != ""
    # Labels are no source of labels: the same again finds nothing that overlaps.
    weak = tuple(GoldMention(one.start, one.end, one.entity, "weak") for one in labels)
    again = labeller.label(replace(before, mentions=before.mentions + weak))
    assert not {(one.start, one.end) for one in again} & {mention.key for mention in weak}


def test_the_line_keeps_whatever_it_had(labeller: WeakLabeller) -> None:
    mention = {"start": 13, "end": 20, "entity": None, "kind": "gold", "gold": {"qid": "Q1"}}
    row = {"id": "wiki/Queen#0", "text": "It is Queen, Lincoln.", "mentions": [mention], "licence": "CC0"}
    one = document(row["text"], page="Queen_(band)")  # type: ignore[arg-type]
    added = with_labels(row, labeller.label(one))
    weak = {"start": 6, "end": 11, "entity": "Queen_(band)", "kind": "weak"}
    assert added == row | {"mentions": [weak, mention]}
    assert row["mentions"] == [mention]


def test_precision_is_that_of_hidden_links(training_linker: Linker, labeller: WeakLabeller) -> None:
    judge = Judge(labeller, training_linker.source, training_linker.store)
    documents = [
        document("It is Queen.", ("Queen", "Queen_(band)"), page="Queen_(band)"),
        document("It is Queen.", ("Queen", "Elizabeth_II"), page="Queen_(band)"),
        document("It is Queen.", ("Queen", None), page="Queen_(band)"),
        document("It is Queen.", ("It is Queen", "Proverb"), page="Queen_(band)"),
        document("It is Queen.", ("Queen", "Queen_(band)"), page="Queen_(band)", kind="weak"),
        document("One Lincoln, two Lincoln", ("Lincoln", LINCOLN), ("Lincoln", LINCOLN)),
        document("One Lincoln, two Lincoln", ("Lincoln", LINCOLN), ("Lincoln", "Lincoln,_Nebraska")),
        document("The Lincoln Memorial", ("Lincoln Memorial", "Lincoln_Memorial")),
        document("The Lincoln Memorial, a Lincoln Memorial", ("a Lincoln", LINCOLN)),
    ]
    result = judge.judge(documents)
    assert result.judged == {Rule.LABEL: 3, Rule.REPEAT: 2, Rule.UNIQUE: 1}
    assert (result.right[Rule.LABEL], result.right[Rule.REPEAT], result.right[Rule.UNIQUE]) == (1, 1, 1)
    assert {rule: count for rule, count in result.crossing.items() if count} == {Rule.LABEL: 1, Rule.UNIQUE: 1}
    assert result.given == {Rule.LABEL: 4, Rule.REPEAT: 2, Rule.UNIQUE: 3}
    assert result.precision(Rule.LABEL) == pytest.approx(1 / 3)
    assert result.precision(Rule.SURNAME) is None


def test_what_only_the_document_itself_taught_is_not_judged(training_linker: Linker, labeller: WeakLabeller) -> None:
    judge = Judge(labeller, training_linker.source, training_linker.store)
    # The knowledge base has seen "The Memorial" once: here.
    own = document("He saw The Memorial.", ("The Memorial", "Lincoln_Memorial"), page="Lincoln_Memorial")
    result = judge.judge([own])
    assert (result.given, result.judged) == ({Rule.ALIAS: 1}, {})
    # "Honest Abe" was seen twice.
    assert judge.judge([document("He saw Honest Abe.", ("Honest Abe", LINCOLN))]).judged == {Rule.UNIQUE: 1}


@pytest.mark.shared
def test_over_the_shared_sample(sample_linkers: dict[str, Linker], shared_data: Path) -> None:
    from sample_kb import read_sample

    linker = sample_linkers["onnx-int8"]
    labeller = WeakLabeller(linker.source, linker.store, ["dbo:Person", "figer:/person", "wd:Q5"])
    documents = [one for one in read_sample(shared_data).documents if one.source != "wiki-table"]
    labels = [(one, label) for one in documents for label in labeller.label(one)]
    assert len(labels) > 10
    for one, label in labels:
        assert linker.store.ordinal(label.entity) is not None
        assert not any(label.start < m.end and m.start < label.end for m in one.mentions)
        assert "\n" not in one.text[label.start : label.end]
    result = Judge(labeller, linker.source, linker.store).judge(documents)
    assert result.judged.total() > 5
    assert result.right.total() > 0.8 * result.judged.total()
