"""Examples of keys in the OpenAPI document; tests check that real answers look like them."""

from __future__ import annotations

from typing import Any

KEY: dict[str, Any] = {
    "id": 3,
    "name": "loader",
    "role": "curator",
    "namespace": "default",
    "status": "good",
    "created_at": "2026-11-24T03:44:24.691350Z",
    "created_by": "key:1/admin",
    "rotated_at": None,
    "expires_at": "2027-02-22T03:44:24.691350Z",
    "last_used_at": None,
    "revoked_at": None,
}
KEYS = {"keys": [KEY]}
ISSUED = {**KEY, "key": "nsk_…"}
NEW_KEYS: dict[str, Any] = {
    "a curator's": {"value": {"role": "curator", "name": "loader", "expires_in": "90d"}},
    "a reader's": {"value": {"role": "reader"}},
}
RENEWALS: dict[str, Any] = {
    "as long as before": {"value": {}},
    "for a year": {"value": {"expires_in": "52w"}},
}
