"""Examples of edits and of the history in the OpenAPI document; tests send them, and compare the answers."""

from __future__ import annotations

from typing import Any

from app.examples import KB_VERSION, MODEL_VERSION

Example = dict[str, Any]

FIELDS: Example = {
    "label": "AC/DC",
    "description": "Australian rock band, formed in Sydney in 1973",
    "aliases": [{"text": "AC/DC", "count": 12}, {"text": "Acca Dacca", "language": "en"}],
    "types": ["band"],
    "relations": [{"predicate": "country", "object": "Australia"}],
    "xrefs": {"wikidata": "Q27593"},
    "popularity": 12,
}
CREATE: dict[str, Example] = {
    "a band": {"value": {"id": "AC/DC", **FIELDS, "comment": "Named in many reviews, and not there yet"}},
    "only a name": {"value": {"id": "Acca_Dacca", "label": "Acca Dacca"}},
}
REPLACE: dict[str, Example] = {"a band": {"value": FIELDS}}
PATCH: dict[str, Example] = {
    "description and an xref": {
        "value": {"description": "Australian rock band", "xrefs": {"viaf": "1"}, "comment": "Shorter"}
    },
    "remove": {"value": {"description": None, "xrefs": {"wikidata": None}}},
    "all names": {"value": {"aliases": [{"text": "AC/DC", "count": 12}, {"text": "AC DC"}]}},
}
RESTORE: dict[str, Example] = {"with a comment": {"value": {"comment": "Deleted by mistake"}}}

CREATED: Example = {
    "id": "AC/DC",
    "label": "AC/DC",
    "description": "Australian rock band, formed in Sydney in 1973",
    "types": ["band"],
    "xrefs": {"wikidata": "Q27593"},
    "text": None,
    "aliases": [{"text": "AC/DC", "count": 12, "language": None}, {"text": "Acca Dacca", "count": 0, "language": "en"}],
    "relations": [{"predicate": "country", "object": "Australia", "object_label": "Australia"}],
    "incoming_relations": 0,
    "former_ids": [],
    "popularity": 12,
    "source": None,
    "version": 1,
    "created_at": "2026-11-25T09:12:03.527104Z",
    "updated_at": "2026-11-25T09:12:03.527104Z",
    "kb_version": KB_VERSION + 1,
    "model_version": MODEL_VERSION,
}
PATCHED: Example = CREATED | {
    "description": "Australian rock band",
    "xrefs": {"viaf": "1", "wikidata": "Q27593"},
    "version": 2,
    "updated_at": "2026-11-25T09:14:40.031889Z",
    "kb_version": KB_VERSION + 2,
}

REVISION: Example = {
    "id": 5120,
    "entity": "AC/DC",
    "type": None,
    "predicate": None,
    "group": None,
    "kind": "patch",
    "actor": "key:3/loader",
    "comment": "Shorter",
    "created_at": "2026-11-25T09:14:40.031889Z",
}
REVISIONS: Example = {"revisions": [REVISION], "cursor": "5120"}
_STORED: Example = {
    "id": "AC/DC",
    "label": "AC/DC",
    "description": "Australian rock band, formed in Sydney in 1973",
    "text": None,
    "aliases": [{"text": "AC/DC", "count": 12}, {"text": "Acca Dacca", "count": 0, "language": "en"}],
    "types": ["band"],
    "relations": [{"predicate": "country", "object": "Australia"}],
    "xrefs": {"wikidata": "Q27593"},
    "popularity": 12,
}
REVISION_DETAIL: Example = REVISION | {
    "diff": [
        {
            "field": "description",
            "before": "Australian rock band, formed in Sydney in 1973",
            "after": "Australian rock band",
            "added": [],
            "removed": [],
        },
        {"field": "xrefs.viaf", "before": None, "after": "1", "added": [], "removed": []},
    ],
    "before": _STORED,
    "after": _STORED | {"description": "Australian rock band", "xrefs": {"viaf": "1", "wikidata": "Q27593"}},
    "current_version": 2,
    "current_etag": '"2"',
}
UNDO: dict[str, Example] = {
    "undo": {"value": {"comment": "The longer one was better"}},
    "whatever came later": {"value": {"force": True}},
}
UNDONE: Example = {
    "entity": "AC/DC",
    "type": None,
    "predicate": None,
    "version": 3,
    "deleted": False,
    "entities": ["AC/DC"],
    "kb_version": KB_VERSION + 3,
}
UNDO_SINCE: dict[str, Example] = {
    "one key's edits": {"value": {"since": "2026-11-25T08:00:00Z", "actor": "key:3/loader", "comment": "It ran wild"}},
    "everything": {"value": {"since": "2026-11-25T08:00:00Z"}},
}
UNDONE_SINCE: Example = {"revisions": 2, "entities": ["AC/DC"], "kb_version": KB_VERSION + 4}
CHANGES: Example = {
    "changes": [
        {
            "version": KB_VERSION + 1,
            "kind": "entity",
            "entity": "AC/DC",
            "item": None,
            "created_at": "2026-11-25T09:12:03.527104Z",
        }
    ],
    "next": KB_VERSION + 1,
    "more": True,
    "kb_version": KB_VERSION + 2,
}
