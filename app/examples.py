"""The examples that the OpenAPI document shows; tests send every one of them and compare what comes back."""

from __future__ import annotations

from typing import Any

LINCOLN = "Lincoln is the capital of Nebraska. Omaha is larger."
JORDAN = "Jordan borders Iraq, Syria and Israel; its capital is Amman."
MERCURY = "Mercury is closer to the Sun than Venus."

Example = dict[str, Any]

ANNOTATE: dict[str, Example] = {
    "one text": {
        "summary": "One text; mentions are detected",
        "value": {"text": LINCOLN, "min_confidence": 0.3, "candidates": 2},
    },
    "documents": {
        "summary": "A list of documents",
        "value": {
            "documents": [{"id": "news-1", "text": JORDAN}, {"id": "news-2", "text": MERCURY}],
            "language": "en",
        },
    },
    "given mentions": {
        "summary": "Mentions given in UTF-16 code units, as JavaScript counts",
        "value": {
            "text": "🚀 " + MERCURY,
            "mentions": [{"start": 3, "end": 10}],
            "offset_unit": "utf16",
            "candidates": 3,
        },
    },
}

DISAMBIGUATE: dict[str, Example] = {
    "one text": {
        "summary": "Which Lincoln, and which Nebraska?",
        "value": {"text": LINCOLN, "mentions": [{"start": 0, "end": 7}, {"start": 26, "end": 34}], "candidates": 3},
    },
    "documents": {
        "summary": "A list of documents",
        "value": {
            "documents": [
                {"id": "news-1", "text": JORDAN, "mentions": [{"start": 0, "end": 6}, {"start": 15, "end": 19}]},
                {"id": "news-2", "text": MERCURY, "mentions": [{"start": 0, "end": 7}]},
            ]
        },
    },
}

LINCOLN_NEBRASKA: Example = {
    "id": "Q28260",
    "label": "Lincoln",
    "description": "capital city of Nebraska, United States",
    "types": ["Q515"],
    "xrefs": {"wikidata": "Q28260"},
}

MENTION: Example = {
    "start": 0,
    "end": 7,
    "text": "Lincoln",
    "mention_score": 0.97,
    "entity": LINCOLN_NEBRASKA,
    "confidence": 0.91,
    "nil_probability": 0.02,
    "candidates": [
        {
            "id": "Q28260",
            "label": "Lincoln",
            "description": "capital city of Nebraska, United States",
            "score": 4.1,
            "confidence": 0.91,
            "found_by": ["alias", "dense"],
            "features": {"prior": 1.2, "description": 0.8, "coherence": 2.1},
        }
    ],
}

ONE_ANSWER: Example = {
    "id": "0",
    "kb_version": 812,
    "mentions": [MENTION],
    "model_version": "minilm-53aa5117-int8",
    "offset_unit": "codepoint",
    "warnings": [],
}

MANY_ANSWER: Example = {
    "documents": [{"id": "news-1", "kb_version": 812, "mentions": [MENTION]}],
    "model_version": "minilm-53aa5117-int8",
    "kb_version": 812,
    "offset_unit": "codepoint",
    "warnings": [],
}

LINK_ANSWERS: dict[str, Example] = {
    "one text": {"summary": "The answer for one text", "value": ONE_ANSWER},
    "documents": {"summary": "The answer for a list", "value": MANY_ANSWER},
}
