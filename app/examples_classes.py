"""Examples of types and predicates in the OpenAPI document; tests send them."""

from __future__ import annotations

from app.examples import KB_VERSION, Example

NEW_TYPE: dict[str, Example] = {
    "below another": {
        "value": {"id": "rock band", "label": "rock band", "parent": "band", "comment": "For the reviews"}
    }
}
WHOLE_TYPE: dict[str, Example] = {"another parent": {"value": {"label": "rock band", "parent": "group"}}}
NEW_PREDICATE: dict[str, Example] = {"a predicate": {"value": {"id": "P175", "label": "performer"}}}
WHOLE_PREDICATE: dict[str, Example] = {"another label": {"value": {"label": "performed by"}}}

TYPE: Example = {
    "id": "rock band",
    "label": "rock band",
    "parent": "band",
    "entities": 0,
    "types": 0,
    "kb_version": KB_VERSION + 5,
}
PREDICATE: Example = {"id": "P175", "label": "performer", "relations": 0, "kb_version": KB_VERSION + 6}
TYPES: Example = {
    "types": [{"id": "band", "label": "band", "parent": None, "entities": 1}],
    "cursor": "YmFuZA",
    "kb_version": KB_VERSION + 5,
}
PREDICATES: Example = {
    "predicates": [{"id": "P175", "label": "performer", "relations": 0}],
    "cursor": None,
    "kb_version": KB_VERSION + 6,
}
