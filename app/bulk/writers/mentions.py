"""What several formats say of a mention or a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]
ENTITY, NIL = "Entity", "NIL"
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*")


def in_order(document: Json) -> list[Json]:
    """Return the mentions by where they start: those that the input gave are answered in its order."""
    return sorted(document["mentions"], key=lambda mention: int(mention["start"]))


def kind_of(mention: Json) -> str:
    """Return the first type of the mention's entity; `Entity` where it has none, `NIL` where there is no entity."""
    if mention["entity"] is None:
        return NIL
    return next(iter(mention["entity"]["types"]), ENTITY)


def on_one_line(text: str) -> str:
    """Return text with a space for each run of white space, so that it can be a column."""
    return " ".join(text.split())


def wikipedia_url(xrefs: Mapping[str, str]) -> str:
    """Return the address of the entity's page: of `Lincoln`, `en:Lincoln` or the address itself; "" if unknown."""
    page = xrefs.get("wikipedia", "")
    if not page or "://" in page:
        return page
    language, colon, title = page.partition(":")
    if not (colon and _LANGUAGE.fullmatch(language)):
        language, title = "en", page
    return f"https://{language}.wikipedia.org/wiki/{quote(title.strip().replace(' ', '_'), safe='/:(),')}"
