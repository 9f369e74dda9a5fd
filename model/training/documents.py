"""Which page a labelled document is a part of: pages are held out whole, and do not learn from links to themselves."""

from __future__ import annotations

import hashlib

from model.evaluation.corpus import LabelledDocument
from model.fitting.pages import page_of


def page_name(document: LabelledDocument) -> str:
    """Return the page of a document, as the file says or else the document's id."""
    return document.page or page_of(document.id)


def page_number(page: str) -> int:
    """Return a number (64 bits) for a page, always the same; spaces and underscores make no difference."""
    return int.from_bytes(hashlib.blake2b(page.replace(" ", "_").encode(), digest_size=8).digest(), "big")
