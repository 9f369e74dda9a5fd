"""Examples of feedback and proposals in the OpenAPI document; tests send them."""

from __future__ import annotations

from typing import Any

from app.examples import KB_VERSION, MODEL_VERSION

Example = dict[str, Any]

TEXT = "Jordan borders Iraq."
NEW_FEEDBACK: dict[str, Example] = {
    "another entity": {
        "value": {
            "text": TEXT,
            "start": 0,
            "end": 6,
            "verdict": "entity",
            "entity": "Jordan",
            "answered": {"entity": "Michael_Jordan", "confidence": 0.61},
            "comment": "The country",
        }
    },
    "not in the knowledge base": {
        "value": {"text": "Zora Quill won the Rovers Cup.", "start": 0, "end": 10, "verdict": "nil"}
    },
    "no mention": {"value": {"text": "May I come in?", "start": 0, "end": 3, "verdict": "no_mention"}},
}
FEEDBACK: Example = {
    "id": 17,
    "text": TEXT,
    "start": 0,
    "end": 6,
    "surface": "Jordan",
    "verdict": "entity",
    "entity": "Jordan",
    "answered": {"entity": "Michael_Jordan", "confidence": 0.61},
    "model_version": MODEL_VERSION,
    "kb_version": KB_VERSION,
    "status": "open",
    "actor": "key:4/reviewer",
    "comment": "The country",
    "created_at": "2026-11-25T08:00:00Z",
    "decided_by": None,
    "decision_comment": None,
    "decided_at": None,
}
FEEDBACK_PAGE: Example = {"feedback": [FEEDBACK], "cursor": None}
DECISION: dict[str, Example] = {"with a comment": {"value": {"comment": "Checked"}}}
DECIDED: Example = {
    "status": "accepted",
    "decided_by": "key:3/ada",
    "decision_comment": "Checked",
    "decided_at": "2026-11-25T09:00:00Z",
}
PROPOSAL: Example = {
    "id": 5,
    "mentions": 3,
    "names": [{"text": "Zora Quill", "count": 2}, {"text": "Quill", "count": 1}],
    "examples": [
        {
            "context": "Zora Quill won the Rovers Cup.",
            "start": 0,
            "end": 10,
            "feedback": 18,
            "created_at": "2026-11-25T08:00:00Z",
        }
    ],
    "entity": None,
    "status": "open",
    "created_at": "2026-11-25T08:00:00Z",
    "decided_by": None,
    "decision_comment": None,
    "decided_at": None,
}
PROPOSAL_PAGE: Example = {"proposals": [PROPOSAL], "cursor": None}
ACCEPT_PROPOSAL: dict[str, Example] = {
    "a footballer": {
        "value": {
            "id": "Zora_Quill",
            "description": "footballer of the Rovers",
            "types": ["footballer"],
            "comment": "Wins cups",
        }
    }
}
