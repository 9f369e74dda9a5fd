"""From linked documents to the JSON of an answer, with offsets in the unit that the caller counts in.

Plain dictionaries, not pydantic models: an answer can hold a hundred thousand candidates. Tests check it against the
schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.documents import Batch
from app.errors import ProblemError
from app.offsets import Offsets
from app.schemas.problem import FieldProblem
from app.schemas.requests import LinkRequest
from app.service import LANGUAGES, Service
from kb.records import EntityRecord
from model.types import Candidate, Link, LinkedDocument

DIGITS = 6  # more would suggest a precision that probabilities do not have

Json = dict[str, Any]


def build_answer(request: LinkRequest, batch: Batch, linked: Sequence[LinkedDocument], service: Service) -> Json:
    """Return the answer to a request, as `OneAnswer` or `ManyAnswer` describe it."""
    records = _records(linked, service)
    documents = [
        {"id": name, "kb_version": document.kb_version, "mentions": _mentions(document.links, offsets, records)}
        for name, document, offsets in zip(batch.ids, linked, batch.offsets, strict=True)
    ]
    shared: Json = {
        "model_version": service.model_version,
        "kb_version": min(document.kb_version for document in linked),
        "offset_unit": request.offset_unit,
        "warnings": list(_warnings(request)),
    }
    return documents[0] | shared if batch.single else {"documents": documents} | shared


def check_types(request: LinkRequest, service: Service) -> None:
    """Refuse types that the knowledge base does not have: an answer without links would hide the mistake.

    Raises:
        ProblemError: naming each of them.
    """
    errors = [
        FieldProblem(
            field=f"types.{number}",
            detail=f"the knowledge base has no type {name}",
            remedy="send the id of a type, as entities list them under `types`",
        )
        for number, name in enumerate(request.types)
        if not service.linker.has_type(name)
    ]
    if errors:
        raise ProblemError("invalid-request", errors)


def _warnings(request: LinkRequest) -> Iterable[Json]:
    if request.language is not None and request.language.split("-")[0].lower() not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        detail = f"the model was trained on {known} only: expect more mistakes in {request.language}"
        yield {"field": "language", "detail": detail}


def _records(linked: Sequence[LinkedDocument], service: Service) -> Mapping[str, EntityRecord]:
    ids = {link.entity for document in linked for link in document.links if link.entity is not None}
    ids |= {candidate.entity for document in linked for link in document.links for candidate in link.candidates}
    return {record.id: record for record in service.entity_records(sorted(ids))}


def _mentions(links: Iterable[Link], offsets: Offsets, records: Mapping[str, EntityRecord]) -> list[Json]:
    return [
        {
            "start": offsets.from_codepoint(link.start),
            "end": offsets.from_codepoint(link.end),
            "text": link.text,
            "mention_score": round(float(link.mention_score), DIGITS),
            "entity": None if link.entity is None else _entity(link.entity, records),
            "confidence": round(float(link.confidence), DIGITS),
            "nil_probability": round(float(link.nil_probability), DIGITS),
            "candidates": [_candidate(candidate, records) for candidate in link.candidates],
        }
        for link in links
    ]


def _entity(entity: str, records: Mapping[str, EntityRecord]) -> Json:
    # An entity that was deleted while the text was linked has no record any more: its id is all there is to say.
    record = records.get(entity) or EntityRecord(entity, entity)
    return {
        "id": entity,
        "label": record.label,
        "description": record.description,
        "types": list(record.types),
        "xrefs": record.xrefs,
    }


def _candidate(candidate: Candidate, records: Mapping[str, EntityRecord]) -> Json:
    record = records.get(candidate.entity) or EntityRecord(candidate.entity, candidate.entity)
    return {
        "id": candidate.entity,
        "label": record.label,
        "description": record.description,
        "score": round(float(candidate.score), DIGITS),
        "confidence": round(float(candidate.confidence), DIGITS),
        "found_by": list(candidate.found_by),
        "features": {name: round(float(value), DIGITS) for name, value in candidate.features.items()},
    }
