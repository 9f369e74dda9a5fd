"""Labelled documents in a form from which any one can be had at once, in any order.

A store is a folder: `documents.bin` holds one JSON array a document, one after the other, and is mapped into memory;
`offsets.npy` says where each begins; `sources.npy` and `pages.npy` hold a number of its source and of its page, so
that a million documents are split and mixed without reading them.
"""

from __future__ import annotations

import hashlib
import mmap
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson

from model.evaluation.corpus import GoldMention, LabelledDocument
from model.fitting.pages import page_of
from model.types import Span

FORMAT = 1
MANIFEST = "manifest.json"
EVERY = 1000  # documents between two calls of `progress`

PageArray = npt.NDArray[np.uint64]
NumberArray = npt.NDArray[np.int64]


class StoreError(RuntimeError):
    """A store of documents cannot be made or opened; the message says why and what to do."""


def page_name(document: LabelledDocument) -> str:
    """Return the page of a document, as the file says or else the document's id."""
    return document.page or page_of(document.id)


def page_number(page: str) -> int:
    """Return a number (64 bits) for a page, the same in every store; spaces and underscores make no difference."""
    return int.from_bytes(hashlib.blake2b(page.replace(" ", "_").encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class DocumentStore:
    """Stored documents, by number from 0 on.

    Attributes:
        sources: the names of the sources.
        source_of: for each document, which of `sources` it is from.
        pages: for each document, the number of its page (`page_number`).
        fingerprint: hash of all that is stored. Training that goes on where it stopped is on the same documents, in
            the same order, if this is the same.
    """

    sources: tuple[str, ...]
    source_of: npt.NDArray[np.int32]
    pages: PageArray
    fingerprint: str
    _offsets: NumberArray
    _bytes: mmap.mmap | bytes

    def __len__(self) -> int:
        return len(self.source_of)

    def __getitem__(self, number: int) -> LabelledDocument:
        """Return a document.

        Raises:
            IndexError: there is none with this number.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"there is no document {number} among {len(self)}")
        name, text, mentions, area, page = orjson.loads(self._bytes[self._offsets[number] : self._offsets[number + 1]])
        return LabelledDocument(
            name,
            self.sources[self.source_of[number]],
            text,
            tuple(GoldMention(*mention) for mention in mentions),
            Span(*area) if area else None,
            page,
        )


def store_documents(
    documents: Iterable[LabelledDocument], folder: Path, progress: Callable[[int], None] = lambda _done: None
) -> DocumentStore:
    """Write documents into a new folder, in their order, and open it.

    The folder appears when everything is in it. Memory does not grow with the texts.

    Args:
        documents: as `model.evaluation.read_documents` gives them.
        folder: where to; it must not exist.
        progress: told now and then how many are done.

    Raises:
        StoreError: the folder exists, or there are no documents.
        CorpusError: from the documents; nothing is left.
        OSError: it cannot be written; nothing is left.
    """
    if folder.exists():
        raise StoreError(f"{folder} exists already: open it with open_documents, or remove it")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(documents, partial, progress)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_documents(folder)


def _write(documents: Iterable[LabelledDocument], folder: Path, progress: Callable[[int], None]) -> None:
    sources: dict[str, int] = {}
    source_of: list[int] = []
    pages: list[int] = []
    lengths: list[int] = []
    content = hashlib.blake2b(digest_size=16)
    with (folder / "documents.bin").open("wb") as file:
        for document in documents:
            row = _row(document)
            content.update(row)
            file.write(row)
            lengths.append(len(row))
            source_of.append(sources.setdefault(document.source, len(sources)))
            pages.append(page_number(page_name(document)))
            if len(lengths) % EVERY == 0:
                progress(len(lengths))
    if not lengths:
        raise StoreError("There are no documents to store: check the files and the sources that were asked for")
    progress(len(lengths))
    content.update(orjson.dumps([list(sources), source_of]))
    np.save(folder / "offsets.npy", np.cumsum([0, *lengths], dtype=np.int64))
    np.save(folder / "sources.npy", np.array(source_of, dtype=np.int32))
    np.save(folder / "pages.npy", np.array(pages, dtype=np.uint64))
    manifest = {"format": FORMAT, "sources": list(sources), "fingerprint": content.hexdigest()}
    (folder / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))


def _row(document: LabelledDocument) -> bytes:
    area = document.evaluation_span
    mentions = [(mention.start, mention.end, mention.entity, mention.kind) for mention in document.mentions]
    return orjson.dumps((document.id, document.text, mentions, (area.start, area.end) if area else None, document.page))


def open_documents(folder: Path) -> DocumentStore:
    """Open the documents that `store_documents` wrote.

    Raises:
        StoreError: the folder is no store, or is damaged.
    """
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        known, sources, fingerprint = manifest["format"] == FORMAT, tuple(manifest["sources"]), manifest["fingerprint"]
        offsets, source_of, pages = (np.load(folder / f"{name}.npy") for name in ("offsets", "sources", "pages"))
        with (folder / "documents.bin").open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder} holds no documents that can be read ({error}): store them again") from error
    if not known:
        raise StoreError(f"{folder} is of another format than {FORMAT}: remove it, and store the documents again")
    if not len(offsets) - 1 == len(source_of) == len(pages) or offsets[-1] != len(content):
        raise StoreError(f"{folder} is damaged (its files do not agree): remove it, and store the documents again")
    return DocumentStore(sources, source_of, pages, fingerprint, offsets, content)
