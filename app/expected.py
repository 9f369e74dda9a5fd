"""Which errors are expected: those that Namesake defines. Their messages are written for people and say what to do."""

from __future__ import annotations

import inspect

OURS = frozenset({"app", "kb", "model"})


def is_expected(error: BaseException) -> bool:
    """Say whether Namesake defines this kind of error."""
    return type(error).__module__.split(".")[0] in OURS


def message_of(error: BaseException) -> str:
    """Return what to tell people: an expected error's own words, or its docstring; with its kind for any other."""
    if is_expected(error):
        return str(error) or inspect.getdoc(type(error)) or type(error).__name__
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}"
