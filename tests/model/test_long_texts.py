"""A long text's links equal those of its parts."""

from __future__ import annotations

import json
import re

import pytest
from encoder_texts import WORDS

from model.linker import Linker
from model.scorer import WEIGHTS, FeatureScorer
from model.types import Document, LinkedDocument, LinkOptions, Span
from model.windows import SHORT, WINDOW

PARTS = [
    "Mercury is the planet nearest the Sun, and it has no moon at all.",
    "Michael Jordan won six NBA titles with the Chicago Bulls in the nineties.",
    "Amman is the capital of Jordan, which borders Syria, Iraq and Israel.",
    "Turkey shares a border with Georgia and Armenia in the Caucasus mountains.",
    "Jaguar unveiled a new luxury sports car at the motor show in Geneva.",
    "“Paris is the capital of France”, said the guide on the bridge over the Seine.",
    "Python was designed by Guido van Rossum, a programmer from the Netherlands.",
    "\U0001f600 The Amazon flows through Brazil and Peru into the Atlantic Ocean.",
    "Abraham Lincoln was the president of the United States during the Civil War.",
    "Java is an island of Indonesia on which the city of Jakarta lies, near Sumatra.",
]
LONG_PART = WORDS * 20  # more than two windows, without a paragraph break
Found = set[tuple[int, int, str, str | None]]


def found(document: LinkedDocument, shift: int = 0) -> Found:
    return {(link.start + shift, link.end + shift, link.text, link.entity) for link in document.links}


def of_parts(linker: Linker, parts: list[str], separator: str) -> Found:
    answers = linker.link([Document(str(index), part) for index, part in enumerate(parts)])
    expected: Found = set()
    shift = 0
    for part, answer in zip(parts, answers, strict=True):
        expected |= found(answer, shift)
        shift += len(part) + len(separator)
    return expected


@pytest.mark.parametrize("separator", ["\n\n", "\r\n\r\n", "\n \n\n\t", "\n"])
def test_paragraphs_link_as_they_do_alone(starter_linker: Linker, separator: str) -> None:
    parts = PARTS * 3
    (whole,) = starter_linker.link([Document("whole", separator.join(parts))])
    assert len(whole.links) >= 60
    assert found(whole) == of_parts(starter_linker, parts, separator)


def test_confidences_are_those_of_the_parts(starter_linker: Linker) -> None:
    parts = [part for part in PARTS if "Michael Jordan" not in part] * 2  # "Jordan" is a short form of that
    (whole,) = starter_linker.link([Document("whole", "\n\n".join(parts))])
    answers = starter_linker.link([Document(str(index), part) for index, part in enumerate(parts)])
    alone = [link for answer in answers for link in answer.links]
    nil = [link.nil_probability for link in alone]
    assert [link.nil_probability for link in whole.links] == pytest.approx(nil, abs=1e-5)
    # The span head reads on over the ends of the parts.
    for number in ("mention_score", "confidence"):
        numbers = [getattr(link, number) for link in alone]
        assert [getattr(link, number) for link in whole.links] == pytest.approx(numbers, abs=0.01)


def test_parts_of_several_windows_link_as_they_do_alone(starter_linker: Linker) -> None:
    parts = [LONG_PART, *PARTS[:3], LONG_PART.strip(), *PARTS[3:]]
    (whole,) = starter_linker.link([Document("whole", "\n\n".join(parts))])
    assert found(whole) == of_parts(starter_linker, parts, "\n\n")


def test_no_mention_is_lost_where_windows_meet(starter_linker: Linker) -> None:
    """The same sentence again and again, shifted against the windows' ends: each of its names is found each time."""
    weights = json.loads(WEIGHTS.read_text())
    calibration = weights["calibration"] | {"threshold": 0.0}  # whatever is found is answered
    scorer = FeatureScorer(weights | {"calibration": calibration})
    linker = Linker(starter_linker.encoder, starter_linker.source, starter_linker.store, scorer)
    sentence = "Amman is the capital of Jordan which borders Syria and Iraq too "
    for filler in ("", "well well well "):
        text = filler + sentence * 30
        (answer,) = linker.link([Document("x", text)])
        for name, entity in (("Amman", "Amman"), ("Syria", "Syria"), ("Iraq", "Iraq")):
            starts = [match.start() for match in re.finditer(name, text)]
            assert [link.start for link in answer.links if link.entity == entity] == starts


def test_names_do_not_run_over_a_paragraph_break(starter_linker: Linker) -> None:
    text = "They moved to New\n\nYork is a city in the north of England."
    (answer,) = starter_linker.link([Document("x", text)])
    assert all("\n" not in link.text for link in answer.links)
    (wrapped,) = starter_linker.link([Document("x", "They moved from Chicago to New\nYork last year.")])
    assert "New\nYork" in {link.text for link in wrapped.links if link.entity}


def test_short_forms_look_back_over_the_whole_text(starter_linker: Linker) -> None:
    """What legitimately differs: a short name takes its candidates from the longer one in an earlier part."""
    first = "Angela Merkel, the chancellor of Germany, spoke to the press in Berlin on Monday."
    later = "Nobody in the room had expected that Angela would answer in English as well."
    text = "\n\n".join([first, *PARTS * 2, later])
    at = text.index("Angela would")
    options = LinkOptions(max_candidates=30)
    (whole,) = starter_linker.link([Document("whole", text, (Span(0, 13), Span(at, at + 6)))], options)
    found_by = {candidate.entity: candidate.found_by for candidate in whole.links[1].candidates}
    assert "fuzzy" in found_by["Angela_Merkel"]
    at = later.index("Angela would")
    (alone,) = starter_linker.link([Document("alone", later, (Span(at, at + 6),))], options)
    found_by = {candidate.entity: candidate.found_by for candidate in alone.links[0].candidates}
    assert "fuzzy" not in found_by.get("Angela_Merkel", ())


def test_given_mentions_of_a_long_text_link_as_in_its_parts(starter_linker: Linker) -> None:
    names = ["Mercury", "Michael Jordan", "Jordan", "Georgia", "Jaguar", "Paris", "Python", "Amazon", "Lincoln", "Java"]
    parts = [(part, part.index(name), part.index(name) + len(name)) for part, name in zip(PARTS, names, strict=True)]
    alone = starter_linker.link([Document(part, part, (Span(start, end),)) for part, start, end in parts])
    text, spans = "", []
    for part, start, end in parts * 2:
        spans.append(Span(len(text) + start, len(text) + end))
        text += part + "\n\n"
    (whole,) = starter_linker.link([Document("whole", text, tuple(spans))])
    assert [link.entity for link in whole.links] == [answer.links[0].entity for answer in alone] * 2


def test_the_parts_are_long_enough_to_stand_alone(starter_linker: Linker) -> None:
    sizes = [len(pieces.ids) for pieces in starter_linker.encoder.wordpieces([*PARTS, LONG_PART])]
    assert min(sizes) >= SHORT
    assert sum(sizes[:-1]) < WINDOW < 2 * sum(sizes[:-1])
    assert sizes[-1] > 1.5 * WINDOW
