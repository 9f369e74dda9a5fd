"""Examples of merges, renamings and splits in the OpenAPI document; tests send them."""

from __future__ import annotations

from app.examples import Example
from app.examples_edits import CREATED

MERGE: dict[str, Example] = {
    "a duplicate": {"value": {"duplicate": "Acca_Dacca", "comment": "The same band"}},
    "of two ids in Wikidata, one stays": {"value": {"duplicate": "Acca_Dacca", "xrefs": {"wikidata": "Q27593"}}},
}
RENAME: dict[str, Example] = {"a shorter one": {"value": {"id": "ACDC", "comment": "No slash"}}}
SPLIT: dict[str, Example] = {
    "a tribute band": {
        "value": {
            "new": {"id": "Acca_Dacca_(tribute)", "label": "Acca Dacca", "types": ["band"]},
            "move": {"aliases": [{"text": "Acca Dacca"}], "incoming": [], "xrefs": []},
            "comment": "Two bands under one id",
        }
    }
}
MERGED: Example = CREATED | {"former_ids": ["Acca_Dacca"], "version": 2}
RENAMED: Example = CREATED | {"id": "ACDC", "former_ids": ["AC/DC"]}
