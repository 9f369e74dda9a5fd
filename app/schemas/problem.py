"""An error as RFC 9457 (`application/problem+json`) wants it, with the field at fault and what to do about it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Path of the field at fault, such as `documents.3.text`; `body` for the whole body.")
    detail: str = Field(description="What is wrong with it.")
    remedy: str = Field(description="What to send instead.")


class Problem(BaseModel):
    """An error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:namesake:problem:invalid-request",
                    "title": "The request has fields that cannot be used",
                    "status": 422,
                    "detail": "mentions.0.end: 40 is outside the text, which has 32 code points",
                    "instance": "0b7ff2c1d5e14f6c8c9e6a1b5c1f3a52",
                    "errors": [
                        {
                            "field": "mentions.0.end",
                            "detail": "40 is outside the text, which has 32 code points",
                            "remedy": "send an offset from 0 to 32, or set offset_unit to the unit that you count in",
                        }
                    ],
                }
            ]
        }
    )

    type: str = Field(description="Names the kind of problem; stable, for programs.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="What happened this time.")
    instance: str = Field(description="The request's id, also in the `X-Request-ID` header and in the log.")
    errors: list[FieldProblem] = Field(description="Every field at fault with its remedy.")
