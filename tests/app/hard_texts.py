"""Answers over texts that are hard to write: line ends in mentions, marks, emoji, ids of any characters, NIL."""

from __future__ import annotations

from typing import Any

from app.bulk.writers.formats import OutputFormat, stream

Json = dict[str, Any]
BAND = {
    "id": "AC/DC",
    "label": "AC/DC",
    "description": "Australian rock band",
    "types": ["rock band", "group"],
    "xrefs": {"wikidata": "Q27593", "wikipedia": "en:AC/DC"},
}
PLAIN = {"id": "New York\t%", "label": "New\nYork", "description": None, "types": [], "xrefs": {}}


def document(identity: str, text: str, *spans: tuple[str, Json | None]) -> Json:
    """Return an answer with a mention for each piece of the text, found from left to right."""
    mentions: list[Json] = []
    at = 0
    for piece, entity in spans:
        at = text.index(piece, at)
        mentions.append(mention(at, at + len(piece), piece, entity))
        at += len(piece)
    shared = {"model_version": "m", "kb_version": 1, "offset_unit": "codepoint", "warnings": []}
    return {"id": identity, "text": text, "mentions": mentions} | shared


def mention(start: int, end: int, text: str, entity: Json | None) -> Json:
    scores = {"mention_score": 0.9, "confidence": 0.75, "nil_probability": 0.1}
    return {"start": start, "end": end, "text": text, "entity": entity, "candidates": []} | scores


def hard_documents() -> list[Json]:
    found = [
        document("AC/DC", "😀 AC/DC met Zyx. It was fun.", ("AC/DC", BAND), ("Zyx", None)),
        document("AC/DC", 'A "New\r\nYork"\\s\u2028end\x00', ("New\r\nYork", PLAIN), ("end", BAND)),
        document("x\ny\t" + "ü" * 240, "unbreakable", ("break", BAND)),
        document("nothing", " "),
        document("spaces", "a  b c", ("a ", BAND), (" b", PLAIN), (" c", None)),
        document("marks", "हिन्दी में, 👩\u200d🚀 e\u0301te\u0301", ("हिन्दी", BAND), ("👩\u200d🚀", None)),
        document("", "\ufeffa\tb", ("a\tb", PLAIN)),
    ]
    found[0]["mentions"].reverse()  # as the input may give them
    return found


def written(kind: OutputFormat, *documents: Json) -> str:
    return b"".join(stream(kind, iter(documents))).decode()


def spans(found: Json) -> list[tuple[int, int]]:
    return sorted((mention["start"], mention["end"]) for mention in found["mentions"])
