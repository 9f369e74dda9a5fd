"""CoNLL: a token a line, in the columns of the AIDA CoNLL-YAGO data set (Hoffart et al., 2011).

Tokens of no mention stand alone. Those of a mention have B or I, the whole mention, and the entity or `--NME--`; of an
entity also the address of its Wikipedia page, that page's number, and (AIDA has the Freebase id there) its Wikidata id.
What is not known is an empty column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from app.bulk.writers.mentions import in_order, on_one_line, wikipedia_url

Json = dict[str, Any]

_PIECE = re.compile(r"\w+|[^\w\s]")
_JOINED = frozenset({"Mn", "Mc", "Me", "Cf"})  # marks and joiners are no tokens, nor do they end one
_JOINER = "\u200d"
_END = frozenset(".!?…")
_WIDE_END = frozenset("。！？")  # no space follows these
_CLOSING = frozenset("\"'”’»)]」』")
_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(slots=True)
class _Token:
    start: int
    end: int
    columns: str = ""  # what follows the token on its line


def conll_lines(documents: Iterator[Json]) -> Iterator[bytes]:
    """Yield the documents, each after a line with its id; blank lines are between sentences and between documents."""
    for document in documents:
        text: str = document["text"]
        lines = [f"-DOCSTART- ({on_one_line(document['id'])})\n"]
        tokens = list(_tokens(document))
        for at, token in enumerate(tokens):
            lines.append(f"{text[token.start : token.end]}{token.columns}\n")
            if at + 1 < len(tokens) and _ends_sentence(text, tokens, at):
                lines.append("\n")
        lines.append("\n")
        yield "".join(lines).encode()


def tokens_between(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of words and of single other characters, with the marks and joiners that follow them."""
    last: tuple[int, int] | None = None
    joins = False
    for found in _PIECE.finditer(text, start, end):
        mark = category(found[0][0]) in _JOINED
        if last is not None and last[1] == found.start() and (mark or joins):
            last = (last[0], found.end())
        else:
            if last is not None:
                yield last
            last = found.span()
        # What follows a mark inside a word is the rest of it; so is what a joiner joins, such as the parts of an emoji.
        joins = mark and (found[0] == _JOINER or text[found.end() : found.end() + 1].isalnum())
    if last is not None:
        yield last


def _tokens(document: Json) -> Iterator[_Token]:
    """Yield the tokens: one never goes over the edge of a mention."""
    text: str = document["text"]
    at = 0
    for mention in in_order(document):
        yield from (_Token(*span) for span in tokens_between(text, at, mention["start"]))
        columns = _columns(mention)
        for number, span in enumerate(tokens_between(text, mention["start"], mention["end"])):
            yield _Token(*span, f"\t{'I' if number else 'B'}\t{columns}")
        at = mention["end"]
    yield from (_Token(*span) for span in tokens_between(text, at, len(text)))


def _columns(mention: Json) -> str:
    entity = mention["entity"]
    if entity is None:
        return f"{on_one_line(mention['text'])}\t--NME--"
    xrefs = entity["xrefs"]
    cells = (mention["text"], entity["id"], wikipedia_url(xrefs), "", xrefs.get("wikidata", ""))
    return "\t".join(map(on_one_line, cells))


def _ends_sentence(text: str, tokens: list[_Token], at: int) -> bool:
    """Tell whether a sentence ends with a token that is not the last one."""
    here, following = tokens[at], tokens[at + 1]
    if following.columns.startswith("\tI"):
        return False
    between = text[here.end : following.start]
    if _BLANK_LINE.search(between):
        return True
    while at and text[tokens[at].start] in _CLOSING and tokens[at - 1].end == tokens[at].start:
        at -= 1
    mark = text[tokens[at].start]
    if mark in _WIDE_END:
        return text[following.start] not in _CLOSING
    # "J." and the end of "U.S." are abbreviations more often than ends.
    initial = mark == "." and at > 0 and _is_letter(text[tokens[at - 1].start : tokens[at].start])
    return mark in _END and bool(between) and not initial


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalpha()
