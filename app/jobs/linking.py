"""A chunk is linked as `POST /v1/annotate` links: the same checks, the same linker, the same answers, one a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.answers import build_answer
from app.documents import read_batch
from app.nil_mentions import NilCollector
from app.schemas.requests import AnnotateMany
from app.service import Service

TOGETHER = 32  # documents that are linked together: enough to keep the encoder busy

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LinkedChunk:
    """What becomes of a chunk.

    Attributes:
        result: the answer to each document, a JSON object a line.
        mentions: how many there are.
        links: how many of them mean an entity.
    """

    result: bytes
    mentions: int
    links: int


def link_chunk(
    service: Service, documents: bytes, options: Json, nil: NilCollector | None, *, keep_text: bool = False
) -> LinkedChunk:
    """Link the documents of a chunk: see `link_documents`.

    Args:
        service: the knowledge base to link to.
        documents: a JSON object a line.
        options, nil, keep_text: as there.
    """
    bodies = [orjson.loads(line) for line in documents.splitlines()]
    return link_documents(service, bodies, options, nil, keep_text=keep_text)


def link_documents(
    service: Service, documents: Sequence[Json], options: Json, nil: NilCollector | None, *, keep_text: bool = False
) -> LinkedChunk:
    """Link documents.

    Args:
        service: the knowledge base to link to.
        documents: as `AnnotateMany` has them, checked before.
        options: as `AnnotateMany` has them.
        nil: told of mentions without an entity, where they are collected.
        keep_text: add the `text` of its document to each answer.
    """
    lines: list[bytes] = []
    mentions = links = 0
    for group in _groups(documents, min(TOGETHER, service.settings.max_texts)):
        for body, answer in zip(group, _answers(service, group, options, nil), strict=True):
            mentions += len(answer["mentions"])
            links += sum(mention["entity"] is not None for mention in answer["mentions"])
            if keep_text:
                answer["text"] = body["text"]
            lines.append(orjson.dumps(answer) + b"\n")
    return LinkedChunk(b"".join(lines), mentions, links)


def _groups(bodies: Sequence[Json], size: int) -> Iterator[list[Json]]:
    for start in range(0, len(bodies), size):
        yield list(bodies[start : start + size])


def _answers(service: Service, bodies: Sequence[Json], options: Json, nil: NilCollector | None) -> Iterator[Json]:
    request = AnnotateMany.model_validate({"documents": bodies} | options)
    batch = read_batch(request, service.settings)
    linked = service.linker.link(batch.documents, batch.options)
    if nil is not None:
        nil.add(service, batch.documents, linked)
    answer = build_answer(request, batch, linked, service)
    for document in answer.pop("documents"):
        yield answer | document
