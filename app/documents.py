"""From a request's body to the documents that the linker takes: limits, offsets, and spans that contradict others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.errors import ProblemError
from app.offsets import OffsetError, Offsets
from app.schemas.problem import FieldProblem
from app.schemas.requests import Document as DocumentBody
from app.schemas.requests import LinkRequest, Mention
from app.settings import Settings
from model.types import Document, LinkOptions, Span

MAX_PROBLEMS = 100  # an answer that lists more helps nobody


@dataclass(frozen=True, slots=True)
class Batch:
    """A checked request.

    Attributes:
        ids: what the answer calls the documents. Inside they are numbered, so that a repeated id mixes up nothing.
        single: the request was one text, not a list.
    """

    documents: list[Document]
    offsets: list[Offsets]
    ids: list[str]
    options: LinkOptions
    single: bool


def read_batch(request: LinkRequest, settings: Settings) -> Batch:
    """Check a request against the limits and translate its offsets to code points.

    Raises:
        ProblemError: a limit is passed, or a mention cannot be honoured; every field at fault is named.
    """
    single = isinstance(request, DocumentBody)
    bodies: Sequence[DocumentBody] = [request] if isinstance(request, DocumentBody) else request.documents
    if len(bodies) > settings.max_texts:
        raise _too_many("documents", len(bodies), settings.max_texts, "NAMESAKE_MAX_TEXTS", "several requests")
    problems: list[FieldProblem] = []
    documents, all_offsets = [], []
    for number, body in enumerate(bodies):
        prefix = "" if single else f"documents.{number}."
        problems += _over_limits(body, prefix, settings)
        offsets = Offsets(body.text, request.offset_unit)
        spans: list[Span] | None = None
        if body.mentions is not None:
            spans, wrong = _read_spans(body.mentions, offsets, prefix)
            problems += wrong
        if len(problems) >= MAX_PROBLEMS:
            break
        documents.append(Document(str(number), body.text, None if spans is None else tuple(spans)))
        all_offsets.append(offsets)
    if problems:
        raise ProblemError("invalid-request", problems[:MAX_PROBLEMS])
    ids = [str(number) if body.id is None else body.id for number, body in enumerate(bodies)]
    options = LinkOptions(frozenset(request.types), request.min_confidence, request.candidates)
    return Batch(documents, all_offsets, ids, options, single)


def _over_limits(body: DocumentBody, prefix: str, settings: Settings) -> Iterator[FieldProblem]:
    if len(body.text) > settings.max_text_chars:
        yield FieldProblem(
            field=f"{prefix}text",
            detail=f"the text has {len(body.text)} code points, at most {settings.max_text_chars} are taken",
            remedy="split it into several documents, or raise NAMESAKE_MAX_TEXT_CHARS on the server",
        )
    if body.mentions is not None and len(body.mentions) > settings.max_mentions:
        yield from _too_many(
            f"{prefix}mentions", len(body.mentions), settings.max_mentions, "NAMESAKE_MAX_MENTIONS", "several documents"
        ).errors


def _too_many(field: str, count: int, limit: int, variable: str, instead: str) -> ProblemError:
    detail = f"there are {count}, at most {limit} are taken"
    remedy = f"send them in {instead}, or raise {variable} on the server"
    return ProblemError("invalid-request", [FieldProblem(field=field, detail=detail, remedy=remedy)])


def _read_spans(mentions: Sequence[Mention], offsets: Offsets, prefix: str) -> tuple[list[Span], list[FieldProblem]]:
    """Return the mentions as spans in code points, and what is wrong with them."""
    spans: list[Span] = []
    problems: list[FieldProblem] = []
    for number, mention in enumerate(mentions):
        field = f"{prefix}mentions.{number}"
        ends: list[int] = []
        for name, value in (("start", mention.start), ("end", mention.end)):
            try:
                ends.append(offsets.to_codepoint(value))
            except OffsetError as error:
                problems.append(FieldProblem(field=f"{field}.{name}", detail=error.detail, remedy=error.remedy))
        if len(ends) < 2:
            continue
        if ends[0] >= ends[1]:
            detail = f"the mention is empty: it starts at {mention.start} and ends at {mention.end}"
            problems.append(
                FieldProblem(field=field, detail=detail, remedy="send an end that is larger than the start")
            )
        spans.append(Span(ends[0], ends[1]))
    return spans, problems or list(_overlaps(mentions, prefix))


def _overlaps(mentions: Sequence[Mention], prefix: str) -> Iterator[FieldProblem]:
    """Yield a problem for each mention that shares characters with an earlier one in the text."""
    order = sorted(range(len(mentions)), key=lambda number: (mentions[number].start, mentions[number].end, number))
    reach: int | None = None  # the mention that reaches furthest so far
    for number in order:
        current = mentions[number]
        if reach is not None and current.start < mentions[reach].end:
            other = mentions[reach]
            same = (current.start, current.end) == (other.start, other.end)
            yield FieldProblem(
                field=f"{prefix}mentions.{number}",
                detail=f"the mention from {current.start} to {current.end} {'is the same as' if same else 'overlaps'} "
                f"mentions.{reach}, from {other.start} to {other.end}",
                remedy="send it once" if same else "leave one of the two out, or send it in a second document",
            )
        if reach is None or current.end > mentions[reach].end:
            reach = number
