"""Knowledge bases, as they are sent and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.schemas.fields import NamespaceName, RequestModel, Storable


class NewNamespace(RequestModel):
    """A knowledge base to make."""

    name: NamespaceName = Field(description="Names it for good: letters, digits, _ and -.")
    label: Annotated[Storable, Field(max_length=200)] | None = Field(default=None, description="What people call it.")


class NamespaceAnswer(BaseModel):
    """A knowledge base."""

    name: str
    label: str | None = Field(description="What people call it.")
    served: bool = Field(description="Whether it is the one that requests mean which name none.")
    entities: int = Field(description="How many entities it has.")
    kb_version: int = Field(description="Its last change.")
    created_at: datetime


class NamespaceList(BaseModel):
    """The knowledge bases that the caller may read, sorted by name."""

    namespaces: list[NamespaceAnswer]
