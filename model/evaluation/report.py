"""The result as one self-contained HTML page: tables, pictures and error examples."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Literal

from jinja2 import Environment, StrictUndefined

from model.evaluation.charts import reliability_chart, risk_chart, slices_chart, threshold_chart
from model.evaluation.results import Evaluation, Group, Mode
from model.evaluation.scores import Category, ErrorExample
from model.evaluation.tables import CATEGORY_LABELS, Section, categories, reliability_section, sections

Mark = Literal["", "gold", "predicted", "both"]

CHARTS = (
    (reliability_chart, "Reliability", "On the line, confidence is the share that is right; below it, too confident."),
    (slices_chart, "Training count", "In-KB gold by how often its entity was linked in training; 95 % intervals."),
    (risk_chart, "Risk and coverage", "Errors left if only the most confident answers are given; lower is better."),
    (threshold_chart, "Thresholds", "InKB micro scores if links below a confidence are left out."),
)
CATEGORY_HINTS: dict[Category, str] = {
    "not_detected": "no answer overlaps the gold",
    "wrong_span": "an answer overlaps the gold, with another span",
    "gold_not_among_candidates": "right span; the gold was not found as a candidate",
    "wrong_choice": "right span and the gold was a candidate; another one or NIL was chosen",
    "false_link": "a link where nothing in the KB is meant",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an example's text and whose span it lies in."""

    text: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart as a data URI."""

    title: str
    caption: str
    uri: str


@dataclass(frozen=True, slots=True)
class ErrorList:
    """A category's counts and examples of the first system."""

    label: str
    hint: str
    missed: int
    wrong: int
    examples: tuple[tuple[ErrorExample, tuple[Segment, ...]], ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """What the page shows of a group."""

    group: Group
    sections: tuple[Section, ...]
    reliability: Section
    pictures: tuple[Picture, ...]
    errors: tuple[ErrorList, ...]


def write_report(evaluation: Evaluation, folder: Path) -> Path:
    """Write `index.html` into a folder, which is made where needed; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(render_report(evaluation), encoding="utf-8", errors="replace")
    return path


def render_report(evaluation: Evaluation) -> str:
    """Render the page; all documents together come first."""
    # Texts come from outside: everything is escaped.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("model.evaluation").joinpath("report.html").read_text(encoding="utf-8"))
    groups = (evaluation.together, *evaluation.groups[:-1])
    chapters = [_chapter(group, evaluation.mode) for group in groups]
    return template.render(evaluation=evaluation, chapters=chapters, systems=list(evaluation.together.systems))


def _chapter(group: Group, mode: Mode) -> Chapter:
    pictures = tuple(Picture(title, caption, _data_uri(draw(group, mode))) for draw, title, caption in CHARTS)
    errors = tuple(_error_list(group, category) for category in categories(mode))
    return Chapter(group, tuple(sections(group, mode)), reliability_section(group), pictures, errors)


def _error_list(group: Group, category: Category) -> ErrorList:
    errors = next(iter(group.systems.values())).errors
    counts = errors.counts[category]
    examples = tuple((e, tuple(segments(e))) for e in errors.examples if e.category == category)
    return ErrorList(CATEGORY_LABELS[category], CATEGORY_HINTS[category], counts.missed, counts.wrong, examples)


def segments(example: ErrorExample) -> Iterator[Segment]:
    """Cut an example's text at the edges of its spans."""
    spans = {"gold": example.gold_span, "predicted": example.predicted_span}
    edges = {0, len(example.window), *(edge for span in spans.values() if span for edge in span)}
    cuts = sorted(edges)
    if example.window_start:
        yield Segment("… ", "")
    for start, end in pairwise(cuts):
        inside = [name for name, span in spans.items() if span and span[0] <= start and end <= span[1]]
        mark: Mark = "both" if len(inside) == 2 else "gold" if "gold" in inside else "predicted" if inside else ""
        yield Segment(example.window[start:end], mark)
    if example.window_start + len(example.window) < example.text_length:
        yield Segment(" …", "")


def _data_uri(svg: str) -> str:
    # As an image, not inline: ids inside two SVGs of one page would clash.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
