"""Triples of RDF files, with the lines on which they stand. rdflib knows the grammars."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.sax import SAXException, SAXParseException
from xml.sax.xmlreader import InputSource

from rdflib import Graph
from rdflib.exceptions import ParserError
from rdflib.plugins.parsers.notation3 import BadSyntax, RDFSink, SinkParser
from rdflib.plugins.parsers.ntriples import DummySink, W3CNTriplesParser
from rdflib.plugins.parsers.rdfxml import create_parser
from rdflib.term import Node

from kb.importers.checks import Rejected
from kb.importers.lines import LineReader
from kb.importers.report import ImportFailed

# It would tell of each odd literal and IRI with a traceback; what matters of those is checked like everything else.
logging.getLogger("rdflib").setLevel(logging.CRITICAL)


NESTED_ENTITY = re.compile(r"""<!ENTITY\s+(?:%\s+)?\S+\s+(?:"[^"]*&|'[^']*&)""")


class Triple(NamedTuple):
    """A statement and where it stands: the number of its line, from 1, and for N-Triples the line itself."""

    line: int
    subject: Node
    predicate: Node
    object: Node
    raw: bytes = b""


class BadLine(NamedTuple):
    """A line that is no statement, and why."""

    line: int
    reason: Rejected
    raw: bytes


def ntriples(lines: LineReader) -> Iterator[Triple | BadLine]:
    """Yield the statements of an N-Triples file as they come; a line that is none stops nothing."""
    found: list[tuple[Node, Node, Node]] = []

    class Sink(DummySink):
        def __init__(self) -> None:
            """Need nothing of what the base class counts."""

        def triple(self, s: Any, p: Any, o: Any) -> None:
            found.append((s, p, o))

    parser = W3CNTriplesParser(Sink())
    for number, raw in lines:
        try:
            parser.line = raw.decode().strip()
            parser.parseline()
        except (ParserError, ValueError) as error:
            if number == lines.open_line:
                lines.damage = f"{lines.name} ends in the middle of line {number}: copy or download the file again."
            remedy = "write <subject> <predicate> <object> . in UTF-8"
            yield BadLine(number, Rejected(None, f"the line is no N-Triples: {_short(error)}", remedy), raw)
            continue
        for triple in found:
            yield Triple(number, *triple, raw)
        found.clear()


def turtle(lines: LineReader) -> Iterator[Triple]:
    """Yield the statements of a Turtle file, which is read as a whole.

    Raises:
        ImportFailed: it is no Turtle, with line and column, or it is damaged.
    """
    text = _text(lines)
    graph = _Recorder(lambda: parser.lines + 1)
    parser = SinkParser(RDFSink(graph), baseURI="", turtle=True)
    try:
        parser.startDoc()
        parser.feed(text)
        parser.endDoc()
    except BadSyntax as error:
        place = min(error._i, len(text))
        line = text.count("\n", 0, place) + 1
        column = place - text.rfind("\n", 0, place)
        raise _unreadable(lines, "Turtle", line, column, error._why) from None
    except (ParserError, ValueError, RecursionError, AssertionError, IndexError, TypeError) as error:
        raise _unreadable(lines, "Turtle", parser.lines + 1, None, _short(error)) from None
    yield from graph.found


def rdf_xml(lines: LineReader) -> Iterator[Triple]:
    """Yield the statements of an RDF/XML file, which is read as a whole.

    Entities that are outside the file are not read, and those that contain others are refused.

    Raises:
        ImportFailed: it is no RDF/XML, with line and column, or it is damaged.
    """
    text = _text(lines)
    nested = NESTED_ENTITY.search(text)
    if nested:
        why = "an entity is declared with & in its value, which could grow without measure"
        raise _unreadable(lines, "RDF/XML", text.count("\n", 0, nested.start()) + 1, None, why)
    data = text.encode()
    source = InputSource("")
    source.setByteStream(io.BytesIO(data))
    source.getPublicId = lambda: ""  # type: ignore[method-assign]
    graph = _Recorder(lambda: reader.getLineNumber())  # type: ignore[attr-defined]
    reader = create_parser(source, graph)  # type: ignore[arg-type]
    try:
        reader.parse(source)
    except SAXParseException as error:
        column = (error.getColumnNumber() or 0) + 1
        raise _unreadable(lines, "RDF/XML", error.getLineNumber() or 1, column, error.getMessage()) from None
    except (SAXException, ParserError, ValueError, RecursionError, AssertionError) as error:
        line = reader.getLineNumber()  # type: ignore[attr-defined]
        raise _unreadable(lines, "RDF/XML", line, None, _short(error)) from None
    yield from graph.found


class _Recorder(Graph):
    """Takes statements as a parser finds them."""

    def __init__(self, line: Callable[[], int]) -> None:
        super().__init__()
        self._line = line
        self.found: list[Triple] = []

    def add(self, triple: Any) -> _Recorder:
        """Note a statement."""
        self.found.append(Triple(self._line(), *triple))
        return self


def _text(lines: LineReader) -> str:
    data = lines.whole()
    if lines.damage is not None:
        raise ImportFailed(lines.damage)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ImportFailed(f"{lines.name} is not UTF-8 (line {line}): save it as UTF-8.") from None


def _unreadable(lines: LineReader, grammar: str, line: int, column: int | None, why: str) -> ImportFailed:
    where = f"line {line}" if column is None else f"line {line}, column {column}"
    return ImportFailed(f"{lines.name} is no {grammar}: {where}: {why}. Nothing of it was imported: correct it there.")


def _short(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
