"""Examples of bulk patches in the OpenAPI document; tests send them."""

from __future__ import annotations

from app.examples import KB_VERSION, Example
from app.examples_edits import CREATED

_WISH: Example = {
    "filter": {"type": "band"},
    "patch": {"add": {"types": ["musical ensemble"]}, "remove": {"types": ["band"]}},
}
_FIELDS = ("id", "label", "description", "text", "aliases", "types", "xrefs", "popularity")
_BEFORE: Example = {name: CREATED[name] for name in _FIELDS} | {
    "aliases": [{"text": "AC/DC", "count": 12}, {"text": "Acca Dacca", "count": 0, "language": "en"}],
    "relations": [{"predicate": "country", "object": "Australia"}],
}
TOKEN = "6f1ed002ab5595859014ebf0951522d9"  # noqa: S105 - names a preview
PREVIEW: dict[str, Example] = {"another type": {"value": _WISH}}
APPLY: dict[str, Example] = {"as previewed": {"value": _WISH | {"token": TOKEN, "comment": "One word for all of them"}}}
PREVIEWED: Example = {
    "matched": 1,
    "changed": 1,
    "examples": [{"before": _BEFORE, "after": _BEFORE | {"types": ["musical ensemble"]}}],
    "token": TOKEN,
    "kb_version": KB_VERSION + 7,
}
APPLIED: Example = {"matched": 1, "changed": 1, "group": 5131, "revision": 5132, "kb_version": KB_VERSION + 8}
