"""Training examples on disk: all that the frozen parts of the linker make of a labelled document, computed once.

A store is a folder with one file for each field, rows appended document by document, and `documents.jsonl`, a line for
each document that is whole. An interrupted run leaves rows behind the last line, which the next one cuts off.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from model.candidates import CandidateTable
from model.encoder_weights import HIDDEN_SIZE
from model.evaluation.corpus import LabelledDocument
from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable, compute
from model.fitting.examples import gold_ordinals, with_links
from model.fitting.pages import PageCounts, page_of
from model.linker import Linker, given_spans
from model.mention_vectors import MentionVectors
from model.protocols import FloatArray, IntArray
from model.types import Document
from model.windows import EncodedText

INDEX = "documents.jsonl"
BLOCK = 32  # documents encoded together

# Field to type and width; the first letter says what there is one row of: (w)ordpiece, (m)ention, (c)andidate.
FIELDS: dict[str, tuple[str, type[np.generic], int]] = {
    "hidden": ("w", np.float16, HIDDEN_SIZE),
    "window_of_piece": ("w", np.int32, 0),
    "own": ("m", np.float16, HIDDEN_SIZE),
    "local": ("m", np.float16, HIDDEN_SIZE),
    "window": ("m", np.float16, HIDDEN_SIZE),
    "query": ("m", np.float16, HIDDEN_SIZE),
    "typed": ("m", np.float16, HIDDEN_SIZE),
    "window_of": ("m", np.int32, 0),
    "first": ("m", np.int32, 0),
    "last": ("m", np.int32, 0),
    "gold": ("m", np.int32, 0),
    "gold_popularity": ("m", np.int32, 0),
    "totals": ("m", np.float32, 0),
    "rows": ("m", np.int32, 0),
    "nil": ("m", np.float32, len(NIL_FEATURES)),
    "mention": ("c", np.int32, 0),
    "ordinal": ("c", np.int32, 0),
    "count": ("c", np.float32, 0),
    "found": ("c", np.int32, 0),
    "short_form": ("c", np.float32, 0),
    "dense": ("c", np.float32, 0),
    "features": ("c", np.float32, len(CANDIDATE_FEATURES)),
}


@dataclass(frozen=True, slots=True)
class Example:
    """One document: what the network reads of it, and what is right.

    Attributes:
        gold: for each mention the ordinal of the right entity, or -1 where the KB has none.
        gold_popularity: how often that entity was linked on other pages.
    """

    id: str
    source: str
    encoded: EncodedText
    vectors: MentionVectors
    table: CandidateTable
    values: FeatureTable
    gold: IntArray
    gold_popularity: IntArray


class ExampleStore:
    """Examples in a folder, by number from 0 on.

    Attributes:
        ids: the documents' ids.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index = [orjson.loads(line) for line in (folder / INDEX).read_bytes().splitlines()]
        self.ids: list[str] = [row["id"] for row in self._index]
        sizes = np.array([row["sizes"] for row in self._index], dtype=np.int64).reshape(-1, 3)
        self._starts = np.vstack([np.zeros(3, np.int64), np.cumsum(sizes, axis=0)])
        self._fields = {name: self._mapped(name) for name in FIELDS}

    def __len__(self) -> int:
        return len(self._index)

    @property
    def fingerprint(self) -> str:
        """Names the documents in their order."""
        return hashlib.blake2b((self._folder / INDEX).read_bytes(), digest_size=16).hexdigest()

    @property
    def mentions(self) -> npt.NDArray[np.int64]:
        """How many mentions each document has."""
        return np.diff(self._starts[:, 1])

    def __getitem__(self, number: int) -> Example:
        """Return an example."""
        row = self._index[number]
        part = {name: self._rows(name, number) for name in FIELDS}
        nothing = np.zeros(0, dtype=np.int32)  # offsets and windows' means are in what is computed from them
        encoded = EncodedText(
            nothing,
            nothing,
            part["hidden"].astype(np.float32),
            part["window_of_piece"],
            np.zeros((0, 0), dtype=np.float32),
            nothing,
            nothing,
        )
        vectors = MentionVectors(**{name: _full(part[name]) for name in MentionVectors.__slots__})
        table = CandidateTable(*(part[name] for name in CandidateTable.__slots__))
        values = FeatureTable(part["features"], part["nil"])
        return Example(row["id"], row["source"], encoded, vectors, table, values, part["gold"], part["gold_popularity"])

    def _rows(self, name: str, number: int) -> Any:
        column = "wmc".index(FIELDS[name][0])
        return np.asarray(self._fields[name][self._starts[number, column] : self._starts[number + 1, column]])

    def _mapped(self, name: str) -> Any:
        per, kind, width = FIELDS[name]
        rows = int(self._starts[-1, "wmc".index(per)])
        shape = (rows, width) if width else (rows,)
        return np.memmap(self._folder / name, kind, "r", shape=shape) if rows else np.zeros(shape, kind)


def _full(rows: Any) -> Any:
    """Return half precision as single precision, anything else as it is."""
    return rows.astype(np.float32) if rows.dtype == np.float16 else rows


def store_examples(
    linker: Linker, documents: Sequence[LabelledDocument], pages: PageCounts | None, folder: Path
) -> Iterator[int]:
    """Compute the examples of documents and append them to a store, those that are there left out.

    Args:
        documents: the same ones in the same order at each call.
        pages: what each page taught the KB, to be left out; None where the documents taught it nothing.

    Yields:
        How many documents are done.

    Raises:
        OSError: the disk is full; what was stored before stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = _mend(folder)
    yield done
    files = {name: (folder / name).open("ab") for name in FIELDS}
    with (folder / INDEX).open("ab") as index:
        try:
            for start in range(done, len(documents), BLOCK):
                block = documents[start : start + BLOCK]
                for made in _examples(linker, block, pages):
                    _append(made, files, index)
                yield start + len(block)
        finally:
            for file in files.values():
                file.close()


def _append(made: tuple[dict[str, Any], dict[str, Any]], files: dict[str, Any], index: Any) -> None:
    row, fields = made
    for name, (_, kind, _) in FIELDS.items():
        files[name].write(np.ascontiguousarray(fields[name], dtype=kind).tobytes())
        files[name].flush()
    index.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    index.flush()


def _mend(folder: Path) -> int:
    """Cut off what an interrupted run left half written, and return how many documents are whole."""
    path = folder / INDEX
    if not path.exists():
        path.touch()
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    os.truncate(path, len(whole))
    rows = [orjson.loads(line) for line in whole.splitlines()]
    totals = np.array([row["sizes"] for row in rows], dtype=np.int64).reshape(-1, 3).sum(axis=0)
    for name, (per, kind, width) in FIELDS.items():
        (folder / name).touch()
        os.truncate(folder / name, int(totals["wmc".index(per)]) * max(width, 1) * np.dtype(kind).itemsize)
    return len(rows)


def _examples(
    linker: Linker, documents: Sequence[LabelledDocument], pages: PageCounts | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield a line of the index and the fields of each document."""
    plain = [with_links(document) for document in documents]
    for labelled, document, encoded in zip(documents, plain, linker.encode(plain), strict=True):
        sizes = [0, 0, 0]
        fields: dict[str, Any] = {name: np.zeros(0) for name in FIELDS}
        if encoded is not None and document.mentions:
            fields = _fields(linker, labelled, document, encoded, pages)
            sizes = [len(fields[name]) for name in ("window_of_piece", "gold", "ordinal")]
        yield {"id": labelled.id, "source": labelled.source, "sizes": sizes}, fields


def _fields(
    linker: Linker,
    labelled: LabelledDocument,
    document: Document,
    encoded: EncodedText,
    pages: PageCounts | None,
) -> dict[str, FloatArray | IntArray]:
    spans, order = given_spans(document)
    gold = gold_ordinals(labelled, order, linker.store)
    context = linker.context(document.text, encoded, spans)
    without = None if pages is None else pages.without(page_of(labelled.id))
    popularity = linker.store.popularity if without is None else without.popularity
    table = linker.generator.generate(context.surfaces, spans.rows, context.vectors.query, without)
    known = popularity(table.ordinal)
    values = compute(context.surfaces, context.words, table, context.vectors, linker.store, known)
    vectors = {name: getattr(context.vectors, name) for name in MentionVectors.__slots__}
    candidates = {name: getattr(table, name) for name in CandidateTable.__slots__}
    return {
        "hidden": encoded.hidden,
        "window_of_piece": encoded.window_of,
        "gold": gold,
        "gold_popularity": np.where(gold < 0, 0, popularity(np.maximum(gold, 0))),
        "features": values.candidates,
        "nil": values.nil,
        **vectors,
        **candidates,
    }
