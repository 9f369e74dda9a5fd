"""An answer on a terminal: the text with its mentions in colour, a table of links, candidates with their features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.terminal import visible

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")
NO_BREAK = "\u00a0"  # a feature and its number stay on one line
NARROW = 80  # columns; on fewer, a table's cells would be a word wide, and lines are printed instead
FEATURES_SHOWN = 4  # those that weigh most; --json has all

Json = Mapping[str, Any]

NIL: Json = {"label": "NIL", "id": "", "description": "not in the knowledge base", "types": []}


def show_answer(text: str, answer: Json, console: Console | None = None) -> None:
    """Print an answer for `text` whose offsets are code points."""
    console = console or Console(highlight=False)
    mentions = answer["mentions"]
    colours = _colours(mentions)
    console.print(_coloured(text, mentions, colours), soft_wrap=True)
    console.print()
    if not mentions:
        console.print("No mentions found.")
    elif console.width < NARROW:
        for mention in mentions:
            console.print(_link_lines(mention, colours))
    else:
        console.print(_links(mentions, colours))
    for mention in mentions:
        if mention["candidates"] and console.width < NARROW:
            console.print(_candidate_lines(mention))
        elif mention["candidates"]:
            console.print(_candidates(mention))
    for warning in answer["warnings"]:
        console.print(Text(f"warning: {warning['field']}: {warning['detail']}", style="yellow"))
    console.print(Text(f"kb_version {answer['kb_version']} · model {answer['model_version']}", style="dim"))


def _colours(mentions: Iterable[Json]) -> dict[str, str]:
    """Give each entity a colour, in the order in which they appear."""
    ids = dict.fromkeys(mention["entity"]["id"] for mention in mentions if mention["entity"])
    return {entity: COLOURS[number % len(COLOURS)] for number, entity in enumerate(ids)}


def _style(mention: Json, colours: Mapping[str, str]) -> str:
    return f"bold {colours[mention['entity']['id']]} underline" if mention["entity"] else "dim underline"


def _coloured(text: str, mentions: Iterable[Json], colours: Mapping[str, str]) -> Text:
    shown = Text()
    at = 0
    for mention in sorted(mentions, key=lambda mention: int(mention["start"])):
        shown.append(visible(text[at : mention["start"]]))
        shown.append(visible(text[mention["start"] : mention["end"]]), _style(mention, colours))
        at = mention["end"]
    return shown.append(visible(text[at:]))


def _links(mentions: Iterable[Json], colours: Mapping[str, str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    table.add_column("Mention", overflow="fold", max_width=24)
    table.add_column("Entity (id)", overflow="fold", max_width=40)
    table.add_column("Description", ratio=1, min_width=20)
    table.add_column("Types", overflow="fold", max_width=18)
    table.add_column("Conf.", justify="right", no_wrap=True)
    for mention in mentions:
        entity = mention["entity"] or NIL
        table.add_row(
            Text(visible(mention["text"]), _style(mention, colours)),
            _name(entity),
            Text(visible(entity["description"] or "")),
            Text(visible(", ".join(entity["types"]))),
            Text(f"{mention['confidence']:.2f}"),
        )
    return table


def _link_lines(mention: Json, colours: Mapping[str, str]) -> Text:
    entity = mention["entity"] or NIL
    line = Text(visible(mention["text"]), _style(mention, colours))
    line.append(f"  {mention['confidence']:.2f}\n", "default")
    line.append_text(_name(entity))
    return line.append(f"\n{visible(entity['description'] or '')}\n")


def _candidate_lines(mention: Json) -> Text:
    lines = Text().append_text(_title(mention))
    for candidate in mention["candidates"]:
        lines.append("\n").append_text(_name(candidate))
        lines.append(f"\n{candidate['confidence']:.2f}  {', '.join(candidate['found_by'])}")
        lines.append(f"  {_features(candidate['features'])}")
    return lines


def _title(mention: Json) -> Text:
    return Text(f"\nCandidates of {visible(mention['text'])} ({mention['start']} to {mention['end']})", style="bold")


def _name(entity: Json) -> Text:
    """Return label and id; the id is what other commands and the API want."""
    name = Text(visible(entity["label"]))
    return name.append(f"\n{visible(entity['id'])}", "dim") if entity["id"] else name


def _candidates(mention: Json) -> Table:
    table = Table(
        title=_title(mention), title_justify="left", box=None, header_style="bold", pad_edge=False, expand=True
    )
    table.add_column("Entity (id)", overflow="fold", max_width=40)
    table.add_column("Conf.", justify="right", no_wrap=True)
    table.add_column("Score", justify="right", no_wrap=True)
    table.add_column("Found by")
    table.add_column("What weighs most", ratio=1, min_width=20)
    for candidate in mention["candidates"]:
        table.add_row(
            _name(candidate),
            Text(f"{candidate['confidence']:.2f}"),
            Text(f"{candidate['score']:.2f}"),
            Text(", ".join(candidate["found_by"])),
            Text(_features(candidate["features"])),
        )
    return table


def _features(features: Mapping[str, float]) -> str:
    heavy = sorted(features.items(), key=lambda item: -abs(item[1]))[:FEATURES_SHOWN]
    return "  ".join(f"{name}{NO_BREAK}{value:+.2f}" for name, value in heavy)
