"""Field types that several requests share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_CANDIDATES = 30
MAX_TYPES = 100


def no_lone_surrogate(value: object) -> object:
    """Refuse text that no encoding can carry: JSON's escapes can spell half of a surrogate pair."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            code = f"U+{ord(value[error.start]):04X}"
            raise PydanticCustomError(
                "lone_surrogate",
                "{code} at code point {position} is half of a surrogate pair, which is no character",
                {
                    "code": code,
                    "position": error.start,
                    "remedy": "send both halves or neither; text cut between UTF-16 code units often ends so",
                },
            ) from None
    return value


def no_nul(value: object) -> object:
    """Refuse NUL, which Postgres cannot hold, in anything that is looked up there."""
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError(
            "nul", "holds the character NUL (U+0000), which no id and no name has", {"remedy": "leave NUL out"}
        )
    return value


LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"

# The limits stand before the validators: only then does pydantic apply them to the string itself and name them so.
Text = Annotated[str, Field(min_length=1), BeforeValidator(no_lone_surrogate)]
EntityId = Annotated[
    str, Field(min_length=1, max_length=250), BeforeValidator(no_nul), BeforeValidator(no_lone_surrogate)
]
SearchText = Annotated[
    str, Field(min_length=1, max_length=500), BeforeValidator(no_nul), BeforeValidator(no_lone_surrogate)
]
Storable = Annotated[str, BeforeValidator(no_nul), BeforeValidator(no_lone_surrogate)]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Comment = Annotated[str, Field(max_length=1000), BeforeValidator(no_nul), BeforeValidator(no_lone_surrogate)]
Language = Annotated[str, Field(max_length=35, pattern=LANGUAGE), BeforeValidator(no_lone_surrogate)]


class RequestModel(BaseModel):
    """What clients send: unknown fields are errors, and nothing is converted (`"5"` is not 5, `true` is not 1)."""

    model_config = ConfigDict(extra="forbid", strict=True)


def field_names(*models: type[BaseModel]) -> list[str]:
    """Return the names of all fields of the models, each once."""
    names: dict[str, Any] = {}
    for model in models:
        names.update(dict.fromkeys(model.model_fields))
    return list(names)
