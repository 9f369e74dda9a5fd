"""The page that `namesake annotate --report` writes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest

from app.bulk.report import BEFORE, SAMPLE_CHARACTERS, SAMPLES, render_report
from app.bulk.summary import Summary

Json = dict[str, Any]
EVIL = '<script>alert("1")</script>'


def answer(identity: str, text: str, *mentions: Json, kb_version: int = 1) -> Json:
    shared = {"model_version": "m", "kb_version": kb_version, "offset_unit": "codepoint", "warnings": []}
    return {"id": identity, "text": text, "mentions": list(mentions)} | shared


def mention(start: int, end: int, entity: str | None = None, confidence: float = 0.5, **more: Any) -> Json:
    found = None
    if entity is not None:
        found = {"id": entity, "label": f"The {entity}", "description": None, "types": [], "xrefs": {}} | more
    scores = {"mention_score": 1.0, "confidence": confidence, "nil_probability": 0.25}
    return {"start": start, "end": end, "text": "", "entity": found} | scores


def rendered(*documents: Json, rejects: int = 0, title: str = "out.jsonl") -> str:
    summary = Summary()
    for document in documents:
        summary.add(orjson.dumps(document))
    return render_report(documents, summary, rejects, title)


class Page(HTMLParser):
    """What a browser sees: elements with their attributes, and the text of each article."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def marks(self) -> list[tuple[str | None, str | None]]:
        return [(found["class"], found["title"]) for tag, found in self.elements if tag == "mark" and "title" in found]


def test_mentions_are_coloured_by_confidence_and_say_what_they_mean() -> None:
    known = mention(0, 3, "a/b", 1.0, description="a description")
    page = Page(rendered(answer("d", "One two three", mention(8, 13), mention(4, 7, "c", 0.19), known)))
    assert page.marks() == [
        ("c4", "The a/b (a/b)\na description\nconfidence 1.00"),
        ("c0", "The c (c)\nconfidence 0.19"),
        ("nil", "NIL: not in the knowledge base\nconfidence 0.50"),
    ]


def test_everything_is_escaped_and_nothing_is_fetched() -> None:
    evil = mention(0, len(EVIL), EVIL, description=EVIL, label=EVIL)
    page = rendered(answer(EVIL, EVIL, evil), title=EVIL)
    assert "<script" not in page
    parsed = Page(page)
    assert parsed.text.count(EVIL) == 5  # heading, label and description of the entity, id and text of the document
    assert not [tag for tag, _ in parsed.elements if tag in {"script", "link", "img", "iframe", "object"}]
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_numbers_are_those_of_the_answers() -> None:
    documents = [answer("d", "One two", mention(0, 3, "a", 0.95), mention(4, 7), kb_version=n) for n in (7, 8, 9)]
    text = " ".join(" ".join(Page(rendered(*documents, rejects=1234)).text).split())
    for shown in (
        "documents 3",
        "rejected 1,234",
        "mentions 6",
        "NIL 50.0%",
        "different entities 1",
        "0.9 to 1.0 3",
        "The a a 3",
        "model m, KB version 7 to model m, KB version 9",
    ):
        assert shown in text


@pytest.mark.parametrize("documents", [[], [answer("d", " ")], [answer("d", "One", mention(0, 3))]])
def test_little_makes_a_page_too(documents: list[Json]) -> None:
    page = rendered(*documents)
    assert "There are no links." in page
    assert ("No document has mentions." in page) == (not documents or not documents[0]["mentions"])


def test_documents_are_drawn_at_random_and_shown_in_their_order() -> None:
    documents = [answer(f"d{number}", "One", mention(0, 3, "a")) for number in range(1000)]
    shown = [int(number) for number in re.findall(r"<h3>d(\d+)</h3>", rendered(*documents))]
    assert len(shown) == SAMPLES
    assert shown == sorted(shown)
    assert shown[-1] > 500
    assert rendered(*documents) == rendered(*documents)


def test_of_a_long_document_a_part_is_shown_whose_mentions_are_whole() -> None:
    first, second, third = 5000, 5000 - BEFORE + SAMPLE_CHARACTERS - 2, 9000
    text = "x" * 10_000
    page = rendered(answer("d", text, *(mention(at, at + 10, "a") for at in (first, second, third))))
    shown = "".join(re.findall(r'<p dir="auto">(.*?)</p>', page, re.DOTALL))
    assert shown.count("<mark") == 2
    assert shown.startswith("… x")
    assert shown.endswith(" …")
    plain = re.sub(r"<.*?>|…", "", shown, flags=re.DOTALL).strip()
    assert len(plain) == SAMPLE_CHARACTERS + 8
