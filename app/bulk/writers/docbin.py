"""spaCy's DocBin: documents with their mentions as entities, to train spaCy or to go on with in it.

All documents are in memory until the file is written, since a DocBin is one compressed message.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.bulk.writers.mentions import in_order, kind_of

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

Json = dict[str, Any]
LANGUAGE = "en"
NIL = "NIL"  # as spaCy's own entity linker calls it
ATTRIBUTES = ("ENT_IOB", "ENT_TYPE", "ENT_KB_ID")


def write_docbin(documents: Iterator[Json], to: Path) -> None:
    """Write the documents as spaCy reads them with `DocBin().from_disk`.

    Raises:
        OSError: the disk is full, say.
    """
    import spacy
    from spacy.tokens import DocBin

    language = spacy.blank(LANGUAGE)
    found = DocBin(attrs=ATTRIBUTES, store_user_data=True)
    for document in documents:
        found.add(_doc(language, document))
    found.to_disk(to)


def _doc(language: Language, document: Json) -> Doc:
    from spacy.tokens import Doc

    text: str = document["text"]
    mentions = in_order(document)
    starts = {mention["start"] for mention in mentions}
    ends = {mention["end"] for mention in mentions}
    words: list[str] = []
    spaces: list[bool] = []
    # The tokenizer itself has no limit on the length of a text; `language(text)` has.
    for token in language.tokenizer(text):
        for word, space in _cut(text, token.idx, len(token), bool(token.whitespace_), starts, ends):
            words.append(word)
            spaces.append(space)
    doc = Doc(language.vocab, words, spaces, user_data={"id": document["id"]})
    doc.set_ents([_span(doc, mention) for mention in mentions])
    return doc


def _span(doc: Doc, mention: Json) -> Span:
    entity = mention["entity"]
    identity = NIL if entity is None else entity["id"]
    span = doc.char_span(mention["start"], mention["end"], label=kind_of(mention), kb_id=identity)
    assert span is not None  # noqa: S101 - tokens were cut at the edges of mentions
    return span


def _cut(
    text: str, start: int, length: int, space: bool, starts: set[int], ends: set[int]
) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a token between the edges of mentions, and whether a space belongs to each.

    A token's space becomes a token of its own where a mention begins or ends with it.
    """
    end = start + length
    at = start
    for edge in range(start + 1, end):
        if edge in starts or edge in ends:
            yield text[at:edge], False
            at = edge
    apart = space and (end in starts or end + 1 in ends)
    yield text[at:end], space and not apart
    if apart:
        yield text[end], False
