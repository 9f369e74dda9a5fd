"""What the endpoints of types and predicates share: their tags, what they answer."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from sqlalchemy.orm import Session

from app.edits import class_missing, class_tag, version_needed
from app.service import Service
from kb import classes, queries
from kb.classes import Kind
from kb.conflicts import ClassMissing

NO_TAG = "none"


def base_tag(session: Session, service: Service, kind: Kind, key: str, if_match: str | None) -> str | None:
    """Return the tag of what an edit starts from, as `If-Match` names it; None for `*`, whatever is there.

    Raises:
        ProblemError: 428, the header is not there; 404, the type or predicate is not there either.
    """
    if if_match is None:
        try:
            found = classes.get_class(session, service.settings.namespace, kind, key)
        except ClassMissing as error:
            raise class_missing(error) from None
        raise version_needed(key, class_tag(classes.tag_of(found)))
    if if_match.strip() == "*":
        return None
    given = if_match.strip().removeprefix("W/")
    return given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else NO_TAG


def class_answer(session: Session, service: Service, kind: Kind, key: str, response: Response) -> dict[str, Any]:
    """Return what the API shows of a type or predicate, and put its tag into the answer's headers."""
    namespace = service.settings.namespace
    record = classes.get_class(session, namespace, kind, key)
    response.headers["ETag"] = class_tag(classes.tag_of(record))
    uses = classes.uses_of(session, namespace, kind, key)
    return {**classes.content_of(record), **uses, "kb_version": queries.kb_version(session, namespace)}
