"""What an annotated file holds as one HTML page, which needs nothing but itself: numbers, and documents to look at."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from app.bulk.convert import read_answers
from app.bulk.output import Output
from app.bulk.summary import BINS, Summary
from app.bulk.writers.mentions import in_order

Json = dict[str, Any]
SAMPLES = 20  # documents that are shown
SAMPLE_CHARACTERS = 1500  # of each, from a little before its first mention
BEFORE = 200
ENTITIES = 20
LEVELS = 5  # colours


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a document; `level` is the colour of a mention, "" outside of any, and `title` what it says of it."""

    text: str
    level: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A document that is shown."""

    id: str
    segments: tuple[Segment, ...]


@dataclass(slots=True)
class Found:
    """What the page shows beside the counts.

    Attributes:
        samples: documents with mentions, each with the same chance to be here, in the order of the result.
        entities: those of the most frequent entities that were seen, by id.
        versions: the versions of model and knowledge base that answered, in the order in which they did.
    """

    samples: list[Json] = field(default_factory=list)
    entities: dict[str, Json] = field(default_factory=dict)
    versions: dict[str, None] = field(default_factory=dict)


def write_report(output: Output, summary: Summary, to: Path) -> None:
    """Write the page; the file is there when all of it is.

    Args:
        output: all answers are in its partial result, with texts.
        summary: their counts.
        to: the file to write.

    Raises:
        OSError: the disk is full, say.
    """
    made = to.with_name(to.name + ".partial")
    rejects = output.done.items - summary.documents
    page = render_report(read_answers(output.partial), summary, rejects, output.out.name)
    made.write_text(page, encoding="utf-8")
    made.replace(to)


def render_report(documents: Iterable[Json], summary: Summary, rejects: int, title: str) -> str:
    """Render the page.

    Args:
        documents: answers with their texts.
        summary: the counts of the same answers.
        rejects: how many documents could not be read.
        title: what the page is of.
    """
    frequent = summary.entities.most_common(ENTITIES)
    found = _find(documents, {name for name, _ in frequent})
    # Texts come from outside: everything is escaped.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("app.bulk").joinpath("report.html").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        summary=summary,
        rejects=rejects,
        versions=list(found.versions),
        bins=[(at / BINS, (at + 1) / BINS, count) for at, count in enumerate(summary.bins)],
        levels=[(at, at / LEVELS, (at + 1) / LEVELS) for at in range(LEVELS)],
        frequent=[(found.entities[name], count) for name, count in frequent],
        samples=[_sample(document) for document in found.samples],
    )


def _find(documents: Iterable[Json], frequent: set[str]) -> Found:
    """Look through all documents, and keep a few."""
    found = Found()
    chance = random.Random(0)  # noqa: S311 - the same result has the same page
    kept: list[tuple[int, Json]] = []
    seen = 0
    for number, document in enumerate(documents):
        found.versions[f"model {document['model_version']}, KB version {document['kb_version']}"] = None
        for mention in document["mentions"]:
            entity = mention["entity"]
            if entity is not None and entity["id"] in frequent:
                found.entities.setdefault(entity["id"], entity)
        if not document["mentions"]:
            continue
        seen += 1
        if len(kept) < SAMPLES:
            kept.append((number, document))
        elif (place := chance.randrange(seen)) < SAMPLES:
            kept[place] = (number, document)
    found.samples = [document for _, document in sorted(kept, key=lambda pair: pair[0])]
    return found


def _sample(document: Json) -> Sample:
    return Sample(document["id"], tuple(_segments(document["text"], in_order(document))))


def _segments(text: str, mentions: list[Json]) -> Iterator[Segment]:
    """Cut a text, or a part of a long one, at the edges of its mentions."""
    at = 0
    if len(text) > SAMPLE_CHARACTERS:
        at = max(0, mentions[0]["start"] - BEFORE)
    end = at + SAMPLE_CHARACTERS
    if at:
        yield Segment("… ")
    for mention in mentions:
        if mention["start"] >= end:
            break
        yield Segment(text[at : mention["start"]])
        at = mention["end"]
        yield Segment(text[mention["start"] : at], _level(mention), _title(mention))
    yield Segment(text[at : max(at, end)])
    if max(at, end) < len(text):
        yield Segment(" …")


def _level(mention: Json) -> str:
    if mention["entity"] is None:
        return "nil"
    return f"c{min(int(mention['confidence'] * LEVELS), LEVELS - 1)}"


def _title(mention: Json) -> str:
    entity = mention["entity"]
    confidence = f"confidence {mention['confidence']:.2f}"
    if entity is None:
        return f"NIL: not in the knowledge base\n{confidence}"
    return "\n".join([f"{entity['label']} ({entity['id']})", *filter(None, [entity["description"]]), confidence])
