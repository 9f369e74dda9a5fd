"""Labelled documents that commands read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.evaluation.corpus import LabelledDocument

SOURCE_HELP = "Only documents of this source; may be repeated."


def read_labelled(paths: Sequence[Path], sources: Sequence[str] | None = None) -> Iterator[LabelledDocument]:
    """Yield the documents of files, those of some sources if any are given; see `read_documents`."""
    from model.evaluation.corpus import read_documents

    for path in paths:
        for document in read_documents(path):
            if not sources or document.source in sources:
                yield document
