"""The linker over a knowledge base that is edited while it is served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from kb.candidates import SnapshotSearch
from kb.live.index import LiveIndex
from kb.live.search import LiveSearch
from kb.records import EntityRecord
from kb.snapshot import Snapshot
from model.encoder import Encoder, FloatArray
from model.entity_encoder import EntityEncoder
from model.linker import Linker
from model.ned_base import NedBase, NedBaseLinker
from model.scorer import FeatureScorer, SingleFeatureScorer
from model.types import Document, LinkedDocument, LinkOptions

# Ranked by one thing alone, to compare with; the factor makes a cosine's softmax as peaked as its accuracy warrants.
BASELINES = {"prior-only": ("log_prior", 1.0), "cosine-only": ("meaning", 20.0)}
MOST_CHANGED = 4_000
"""How many changed entities are held beside a snapshot: more are encoded sooner by a build, in one process for all."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is loaded once for all knowledge bases of a process.

    Attributes:
        encoder: makes token vectors of texts.
        payloads: makes vectors of entities.
        scorer: ranks candidates.
    """

    encoder: Encoder
    payloads: EntityEncoder
    scorer: FeatureScorer


@dataclass(frozen=True, slots=True)
class _View:
    """What answers come from, at one kb_version."""

    search: SnapshotSearch | LiveSearch
    pipeline: Linker


class LiveLinker:
    """A linker over a snapshot and what changed since.

    Each call of `link` works with one state of the knowledge base from its start to its end, whatever is taken in
    meanwhile.

    Attributes:
        model: what it links with; linkers over other knowledge bases may share it.
        index: what answers start from.
    """

    def __init__(self, model: Model, snapshot: Snapshot) -> None:
        self.model = model
        self._updating = threading.Lock()
        self.index = LiveIndex(SnapshotSearch(snapshot), model.payloads, MOST_CHANGED)
        self._view = self._viewed(self.index)

    def opened(self, snapshot: Snapshot) -> LiveIndex:
        """Return the index that starts from a snapshot; it is not served yet."""
        return LiveIndex(SnapshotSearch(snapshot), self.model.payloads, MOST_CHANGED, self.index.search)

    def refresh(self, session: Session) -> bool:
        """Take in what changed; tell whether anything did.

        Raises:
            DeltaFull: it is too much; answers stay as they were.
            KbReplaced: the snapshot is of another knowledge base than the one that has this name now.
        """
        with self._updating:
            changed = self.index.refresh(session)
            if changed:
                self._view = self._viewed(self.index)
            return changed

    def serve(self, index: LiveIndex) -> None:
        """Answer from another snapshot from now on; answers that are under way are finished from the old one."""
        with self._updating:
            self.index = index
            self._view = self._viewed(self.index)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that answers start from."""
        return self._view.search.snapshot

    @property
    def pipeline(self) -> Linker:
        """The linker over the knowledge base as it is now."""
        return self._view.pipeline

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that answers know."""
        return self._view.search.kb_version

    @property
    def model_version(self) -> str:
        """Names encoder, ranker and calibration."""
        return f"{self.model.scorer.version}+{self.snapshot.manifest.model_version}"

    @property
    def snapshot_path(self) -> Path:
        """Folder of the snapshot that answers start from."""
        return self.snapshot.folder

    @property
    def delta_size(self) -> int:
        """How many changed entities answers know beside the snapshot."""
        return self.index.delta_size

    @property
    def wordpieces(self) -> int:
        """Wordpieces encoded since the start."""
        return self.model.encoder.encoded

    def link(
        self, documents: Sequence[Document], options: LinkOptions, proceed: Callable[[], None] | None = None
    ) -> list[LinkedDocument]:
        """Link documents; see `model.linker.Linker.link`."""
        return self._view.pipeline.link(documents, options, proceed)

    def records(self, ids: Sequence[str]) -> list[EntityRecord]:
        """Return what an answer shows of these entities; ids that are not there are left out."""
        search = self._view.search
        return [record for key in ids if (record := search.record(key)) is not None]

    @property
    def encoder_version(self) -> str:
        """Names what makes the vectors of `embed`; those of two versions must not be compared."""
        return self.model.encoder.version

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the unit vector of each text (texts x 384)."""
        return self.model.encoder.embed(texts)

    def has_type(self, type_id: str) -> bool:
        """Say whether the knowledge base has this type."""
        return type_id in self._view.search.types_known.rows

    def contains(self, entity: str) -> bool:
        """Say whether the knowledge base has this entity."""
        return self._view.search.ordinal(entity) is not None

    def training_count(self, entity: str) -> int:
        """Return how often the entity was linked in the documents that the KB's counts come from."""
        record = self._view.search.record(entity)
        return 0 if record is None else record.popularity

    def baseline(self, name: str) -> Linker:
        """Return a linker over the same knowledge base and mentions that ranks by one feature: see `BASELINES`."""
        feature, scale = BASELINES[name]
        search = self._view.search
        return Linker(self.model.encoder, search, search, SingleFeatureScorer(name, feature, self.model.scorer, scale))

    def weighted(self, scorer: FeatureScorer) -> Linker:
        """Return a linker over the same knowledge base with other weights."""
        search = self._view.search
        return Linker(self.model.encoder, search, search, scorer)

    def ned_base(self, learned: NedBase) -> Linker:
        """Return the baseline ned-base over the same knowledge base and mentions.

        Raises:
            NedBaseError: it was trained with another encoder.
        """
        search = self._view.search
        return NedBaseLinker(self.model.encoder, search, search, self.model.scorer, learned)

    def close(self) -> None:
        """Let go of the snapshot; its files are unmapped when the last answer is done with them."""

    def _viewed(self, index: LiveIndex) -> _View:
        return _View(index.search, Linker(self.model.encoder, index.search, index.search, self.model.scorer))
