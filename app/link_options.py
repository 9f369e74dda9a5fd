"""What a request says of its documents as parameters of its address, where the body holds documents alone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query

from app.offsets import OffsetUnit
from app.schemas.fields import LANGUAGE, MAX_CANDIDATES, MAX_TYPES, EntityId, Storable

FIELD_PARAMETERS = ("text_field", "id_field")
OPTION_NAMES = ("types", "min_confidence", "candidates", "offset_unit", "language")


def get_link_options(
    types: Annotated[
        list[EntityId] | None, Query(max_length=MAX_TYPES, description="As in `POST /v1/annotate`; may be repeated.")
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, allow_inf_nan=False, description="As in `POST /v1/annotate`.")
    ] = 0.0,
    candidates: Annotated[int, Query(ge=0, le=MAX_CANDIDATES, description="As in `POST /v1/annotate`.")] = 0,
    offset_unit: Annotated[OffsetUnit, Query(description="As in `POST /v1/annotate`.")] = "codepoint",
    language: Annotated[
        str | None, Query(max_length=35, pattern=LANGUAGE, description="As in `POST /v1/annotate`.")
    ] = None,
) -> dict[str, Any]:
    """Return the options as `AnnotateMany` has them; a dependency of routes."""
    return {
        "types": types or [],
        "min_confidence": min_confidence,
        "candidates": candidates,
        "offset_unit": offset_unit,
        "language": language,
    }


def get_field_names(
    text_field: Annotated[
        Storable, Query(min_length=1, max_length=250, description="Field or column with the text of a document.")
    ] = "text",
    id_field: Annotated[
        Storable, Query(min_length=1, max_length=250, description="Field or column with its id, where it has one.")
    ] = "id",
) -> dict[str, str]:
    """Return what documents call their fields, as `app.jobs.reading.Columns` has it; a dependency of routes."""
    return {"text": text_field, "id": id_field}


FieldNames = Annotated[dict[str, str], Depends(get_field_names)]
LinkOptions = Annotated[dict[str, Any], Depends(get_link_options)]
