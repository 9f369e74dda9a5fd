"""The examples that the OpenAPI document shows: real requests, with what the starter knowledge base answers.

Tests send them and compare entities; the numbers change with every fit of the model.
"""

from __future__ import annotations

from typing import Any

LINCOLN = "Lincoln is the capital of Nebraska. Omaha is larger."
JORDAN = "Jordan borders Iraq, Syria and Israel; its capital is Amman."
BULLS = "Jordan won six titles with the Chicago Bulls."
MERCURY = "Mercury is closer to the Sun than Venus."
PAYLOAD_VERSION = "minilm-53aa5117-37ed1128-int8-p1"
MODEL_VERSION = f"features-7+{PAYLOAD_VERSION}"
KB_VERSION = 4721

Example = dict[str, Any]

ANNOTATE: dict[str, Example] = {
    "one text": {
        "summary": "One text; mentions are detected",
        "value": {"text": LINCOLN, "min_confidence": 0.3, "candidates": 2},
    },
    "documents": {
        "summary": "A list of documents",
        "value": {
            "documents": [{"id": "news-1", "text": JORDAN}, {"id": "news-2", "text": BULLS}],
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
                {"id": "news-2", "text": BULLS, "mentions": [{"start": 0, "end": 6}]},
            ]
        },
    },
}

CITY: Example = {
    "id": "Lincoln,_Nebraska",
    "label": "Lincoln, Nebraska",
    "description": "capital of the state of Nebraska, named after President Abraham Lincoln and home of the state "
    "university",
}
CITY_BRIEF: Example = CITY | {"types": ["city"], "xrefs": {"geonames": "5072006", "wikidata": "Q28260"}}
NEIGHBOUR: Example = {
    "id": "Columbus,_Nebraska",
    "label": "Columbus",
    "description": "town of about 23,000 people in Nebraska, United States, about 90 km north-west of Lincoln",
}

MENTION: Example = {
    "start": 0,
    "end": 7,
    "text": "Lincoln",
    "mention_score": 0.975901,
    "entity": CITY_BRIEF,
    "confidence": 0.773514,
    "nil_probability": 0.528265,
    "candidates": [
        CITY
        | {
            "score": 16.207027,
            "confidence": 0.507414,
            "found_by": ["alias", "dense"],
            "features": {"meaning": 12.6554, "description_window": 2.0852, "title_mention": -1.1565},
        },
        NEIGHBOUR
        | {
            "score": 11.468338,
            "confidence": 0.007282,
            "found_by": ["dense"],
            "features": {"meaning": 10.5492, "only_by_meaning": -2.5007, "never_linked_so": 2.3156},
        },
    ],
}

ONE_ANSWER: Example = {
    "id": "0",
    "kb_version": KB_VERSION,
    "mentions": [MENTION],
    "model_version": MODEL_VERSION,
    "offset_unit": "codepoint",
    "warnings": [],
}

MANY_ANSWER: Example = {
    "documents": [{"id": "news-1", "kb_version": KB_VERSION, "mentions": [MENTION | {"candidates": []}]}],
    "model_version": MODEL_VERSION,
    "kb_version": KB_VERSION,
    "offset_unit": "codepoint",
    "warnings": [],
}

LINK_ANSWERS: dict[str, Example] = {
    "one text": {"summary": "The answer for one text", "value": ONE_ANSWER},
    "documents": {"summary": "The answer for a list", "value": MANY_ANSWER},
}

ENTITY: Example = CITY_BRIEF | {
    "text": None,
    "aliases": [
        {"text": "Lincoln", "count": 40, "language": None},
        {"text": "Lincoln, Nebraska", "count": 6, "language": None},
    ],
    "relations": [
        {"predicate": "capital of", "object": "Nebraska", "object_label": "Nebraska"},
        {"predicate": "country", "object": "United_States", "object_label": "United States"},
        {"predicate": "located in", "object": "Nebraska", "object_label": "Nebraska"},
        {"predicate": "named after", "object": "Abraham_Lincoln", "object_label": "Abraham Lincoln"},
    ],
    "incoming_relations": 1,
    "former_ids": [],
    "popularity": 46,
    "source": "namesake",
    "version": 1,
    "created_at": "2026-11-24T00:20:11.824403Z",
    "updated_at": "2026-11-24T00:20:11.824403Z",
    "kb_version": KB_VERSION,
    "model_version": MODEL_VERSION,
}

SEARCH: Example = {
    "entities": [CITY | {"types": ["city"], "popularity": 46, "match": "exact"}],
    "cursor": None,
    "complete": True,
    "kb_version": KB_VERSION,
    "model_version": MODEL_VERSION,
}
REDIRECT: Example = {"id": "Acca_Dacca", "redirect": "AC/DC"}
