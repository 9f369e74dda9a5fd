"""What pydantic finds in a request, said so that somebody who knows neither pydantic nor Python can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from app.schemas.problem import FieldProblem
from app.schemas.requests import MANY, ONE

# pydantic's kind of error -> what is wrong, what to do; filled in from the error's context.
MESSAGES: dict[str, tuple[str, str]] = {
    "missing": ("the field is missing", "add it"),
    "string_type": ("not a string", "send text in double quotes"),
    "string_too_short": ("empty", "send at least one character"),
    "string_too_long": ("longer than {max_length} characters", "send at most {max_length} characters"),
    "string_pattern_mismatch": ("not of the right form", "send a value that matches {pattern}"),
    "string_unicode": (
        "a field's name holds half of a surrogate pair, which is no character",
        "send only names that /docs lists",
    ),
    "list_type": ("not a list", "send a list: [ … ]"),
    "too_short": ("the list is empty", "send at least one item"),
    "too_long": ("the list has {actual_length} items, at most {max_length} are taken", "send at most {max_length}"),
    "int_type": ("not a whole number", "send a whole number, without quotes"),
    "int_parsing": ("not a whole number", "send a whole number"),
    "int_from_float": ("not a whole number", "send a whole number"),
    "float_type": ("not a number", "send a number, without quotes"),
    "float_parsing": ("not a number", "send a number"),
    "finite_number": ("not a finite number", "send a finite number"),
    "greater_than": ("not larger than {gt}", "send more than {gt}"),
    "greater_than_equal": ("smaller than {ge}", "send {ge} or more"),
    "less_than_equal": ("larger than {le}", "send {le} or less"),
    "literal_error": ("none of the values that are known", "send {expected}"),
    "model_attributes_type": ("not a JSON object", "send a JSON object: { … }"),
    "model_type": ("not a JSON object", "send a JSON object: { … }"),
    "dict_type": ("not a JSON object", "send a JSON object: { … }"),
}


def field_problem(item: Mapping[str, Any], field_names: Sequence[str]) -> FieldProblem:
    """Return one of pydantic's errors as a problem.

    Args:
        item: the error.
        field_names: names that requests may use, to suggest the nearest one for an unknown field.
    """
    where, *rest = item["loc"]
    # A union's branch puts its tag into the location; the caller knows only the fields that it sent.
    path = [str(part) for part in rest if part not in (ONE, MANY)]
    kind, context = str(item["type"]), item.get("ctx") or {}
    if kind == "extra_forbidden":
        detail, remedy = "there is no such field", _nearest(path[-1] if path else "", field_names)
    elif kind in MESSAGES:
        # Not str.format: a caller's value in the context must not be taken for a template.
        detail, remedy = (_fill(template, context) for template in MESSAGES[kind])
    else:
        detail = str(item["msg"]).removeprefix("Value error, ")
        remedy = str(context.get("remedy") or "send a value that /docs describes for this field")
    return FieldProblem(field=".".join(path) or str(where), detail=detail, remedy=remedy)


def _nearest(name: str, field_names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, field_names, n=1)
    return f"did you mean {close[0]}? Otherwise leave it out" if close else "leave it out"


def _fill(template: str, context: Mapping[str, Any]) -> str:
    for name, value in context.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        template = template.replace(f"{{{name}}}", shown)
    return template
