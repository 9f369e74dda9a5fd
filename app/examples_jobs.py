"""Examples of jobs in the OpenAPI document; tests check that real answers look like them."""

from __future__ import annotations

from app.examples import MODEL_VERSION, Example

JOB: Example = {
    "id": 12,
    "namespace": "default",
    "status": "running",
    "reason": None,
    "format": "jsonl",
    "source": None,
    "priority": 0,
    "options": {"types": [], "min_confidence": 0.5, "candidates": 0, "offset_unit": "codepoint", "language": "en"},
    "created_by": "key:3/loader",
    "documents": 20_000,
    "complete": True,
    "rejects": 1,
    "documents_done": 7_400,
    "mentions": 96_310,
    "links": 81_004,
    "parts": 100,
    "parts_done": 37,
    "documents_per_second": 61.7,
    "seconds_left": 204.2,
    "created_at": "2026-11-26T09:12:03.527104Z",
    "started_at": "2026-11-26T09:12:04.118231Z",
    "finished_at": None,
}
JOBS: Example = {"jobs": [JOB], "cursor": "MTI"}
LINES = (
    '{"id":"1","text":"Lincoln is the capital of Nebraska."}\n'
    '{"id":"2","text":"Jordan won six titles with the Chicago Bulls."}\n'
)
UPLOADS: Example = {
    "application/x-ndjson": {"schema": {"type": "string"}, "example": LINES},
    "text/csv": {"schema": {"type": "string"}, "example": "id,text\n1,Lincoln is the capital of Nebraska.\n"},
    "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}, "example": "…"},
    "application/zip": {"schema": {"type": "string", "format": "binary"}, "example": "…"},
}
RESULT = (
    f'{{"id":"1","model_version":"{MODEL_VERSION}","kb_version":812,"offset_unit":"codepoint","warnings":[],'
    '"mentions":[]}\n'
)
REJECTS = (
    '{"position":17,"place":"line 18","errors":[{"field":"text","detail":"the field is missing","remedy":"add it"}]}\n'
)
EVENT = 'event: progress\ndata: {"id":12,"status":"running","documents":20000,"documents_done":7400}\n\n'
