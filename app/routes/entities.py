"""`GET /v1/entities/{id}` and `GET /v1/entities?q=`."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/v1", tags=["knowledge base"])
