"""Jobs, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.jobs.store import Status

Format = Literal["jsonl", "csv", "parquet", "zip", "folder"]


class Reject(BaseModel):
    """A document that could not be read."""

    position: int = Field(description="Which document of the job it is, from 0.")
    place: str = Field(description="Where it is in the file.")
    errors: list[dict[str, str]] = Field(description="What is wrong: `field`, `detail` and `remedy` of each problem.")


class Job(BaseModel):
    """Documents that are annotated."""

    id: int
    namespace: str = Field(description="The knowledge base that they are linked to.")
    status: Status = Field(description="`queued`, `running`, `paused`, `done`, `failed` or `cancelled`.")
    reason: str | None = Field(description="Why it is paused or failed, and what to do.")
    format: str = Field(description="What the documents came in.")
    source: str | None = Field(description="Where they are read from; null for an upload.")
    priority: int = Field(description="Jobs with a larger one go first.")
    options: dict[str, Any] = Field(description="Those of the request.")
    created_by: str = Field(description="The key that sent it, as `key:ID/NAME`.")
    documents: int = Field(description="How many were read so far, without rejects.")
    complete: bool = Field(description="Whether these are all.")
    rejects: int = Field(description="How many could not be read; `GET /v1/jobs/{id}/rejects` says why.")
    documents_done: int = Field(description="How many have an answer.")
    mentions: int = Field(description="How many mentions these have.")
    links: int = Field(description="How many of them mean an entity.")
    parts: int = Field(description="Parts of the result, numbered from 0.")
    parts_done: int = Field(description="How many of them are there; not always the first.")
    documents_per_second: float | None = Field(
        description="Of the last minute; of the whole job where it is finished; null before anything is known."
    )
    seconds_left: float | None = Field(description="At this rate; null where it is not known.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(BaseModel):
    """Some of the jobs, the newest first."""

    jobs: list[Job]
    cursor: str | None = Field(description="Send it as `cursor` for older ones; null on the last page.")
