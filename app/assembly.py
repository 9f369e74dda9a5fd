"""Where `model` and `kb` meet: an encoder, a snapshot and a scorer put together; and how snapshots are built."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Engine

from app.progress import step_bars
from app.settings import Settings
from kb import queries
from kb.candidates import SnapshotSearch
from kb.database import snapshot_session
from kb.index import KbSource, SnapshotFolders, build_snapshot
from kb.records import EntityRecord
from kb.snapshot import Snapshot, SnapshotError
from model.encoder import Backend, Encoder, FloatArray, load_encoder
from model.encoder_weights import WEIGHTS_SHA256
from model.entity_encoder import EntityEncoder, payload_version
from model.linker import Linker
from model.scorer import WEIGHTS, FeatureScorer, SingleFeatureScorer, load_scorer
from model.types import Document, LinkedDocument, LinkOptions

# Ranked by one thing alone, to compare with; the factor makes a cosine's softmax as peaked as its accuracy warrants.
BASELINES = {"prior-only": ("log_prior", 1.0), "cosine-only": ("meaning", 20.0)}

Progress = Callable[[str, int, int], None]


def open_encoder(settings: Settings) -> Encoder:
    """Open the token encoder that the settings name."""
    return load_encoder(
        settings.home / "cache" / "encoder",
        backend=_backend(settings),
        source=settings.encoder,
        sha256=settings.encoder_sha256 or WEIGHTS_SHA256,
        threads=settings.threads,
    )


def _backend(settings: Settings) -> Backend:
    if settings.backend != "auto":
        return settings.backend
    # Asking torch costs seconds, and without the driver's device node there is no GPU to find.
    if not Path("/dev/nvidiactl").exists():
        return "onnx-int8"
    import torch

    return "torch" if torch.cuda.is_available() else "onnx-int8"


def snapshot_folders(settings: Settings) -> SnapshotFolders:
    """Return where the snapshots of the served namespace live."""
    return SnapshotFolders(settings.home / "snapshots", settings.namespace)


def build_index(settings: Settings, engine: Engine, encoder: Encoder, progress: Progress) -> Path:
    """Build a snapshot of the KB as it is now and make it current; return its folder.

    Raises:
        EmptyKbError: the KB has no entities.
        OSError: the disk is full, say; the current snapshot stays.
    """
    with snapshot_session(engine) as session:
        occurrences = {
            row.normalised: (row.upper_occurrences, row.upper_links, row.lower_occurrences, row.lower_links)
            for row in queries.stream_alias_occurrences(session, settings.namespace)
        }
        source = KbSource(
            namespace=settings.namespace,
            kb_version=queries.kb_version(session, settings.namespace),
            entities=queries.stream_entities(session, settings.namespace),
            entity_count=queries.count_entities(session, settings.namespace),
            types=list(queries.stream_types(session, settings.namespace)),
            predicates=list(queries.stream_predicates(session, settings.namespace)),
            occurrences=occurrences,
        )
        payloads = EntityEncoder(encoder, settings.home / "cache" / "encodings")
        return build_snapshot(source, payloads, snapshot_folders(settings), progress)


def open_linker(settings: Settings, engine: Engine, *, build: bool) -> SnapshotLinker:
    """Open the current snapshot and the model, and put a linker together.

    Args:
        build: build a snapshot first where there is none that this model can use.

    Raises:
        SnapshotError: there is no usable snapshot, and `build` is false.
    """
    encoder = open_encoder(settings)
    folders = snapshot_folders(settings)
    version = payload_version(encoder)
    try:
        snapshot = folders.open_current(version)
    except SnapshotError as error:
        if not build:
            raise
        sys.stderr.write(f"{error}; this is done now\n")
        with step_bars() as progress:
            build_index(settings, engine, encoder, progress)
        snapshot = folders.open_current(version)
    return SnapshotLinker(encoder, snapshot, load_scorer(settings.scorer or WEIGHTS))


def open_pipeline(settings: Settings, scorer: FeatureScorer) -> Linker:
    """Put a linker together with a scorer of one's own over the current snapshot, to fit that scorer.

    Raises:
        SnapshotError: there is no usable snapshot.
    """
    encoder = open_encoder(settings)
    return SnapshotLinker(encoder, snapshot_folders(settings).open_current(payload_version(encoder)), scorer).pipeline


class SnapshotLinker:
    """A linker over one snapshot; see `app.service.Disambiguator`."""

    def __init__(self, encoder: Encoder, snapshot: Snapshot, scorer: FeatureScorer) -> None:
        self.snapshot = snapshot
        self.search = SnapshotSearch(snapshot)
        self._encoder = encoder
        self._scorer = scorer
        self.pipeline = Linker(encoder, self.search, self.search, scorer)

    @property
    def kb_version(self) -> int:
        """Sequence number of the last change that answers know."""
        return self.search.kb_version

    @property
    def model_version(self) -> str:
        """Names encoder, ranker and calibration."""
        return f"{self._scorer.version}+{self.snapshot.manifest.model_version}"

    @property
    def snapshot_path(self) -> Path:
        """Folder of the snapshot that answers come from."""
        return self.snapshot.folder

    @property
    def wordpieces(self) -> int:
        """Wordpieces encoded since the start."""
        return self._encoder.encoded

    def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
        """Link documents; see `model.linker.Linker.link`."""
        return self.pipeline.link(documents, options)

    def records(self, ids: Sequence[str]) -> list[EntityRecord]:
        """Return what an answer shows of these entities; ids that are not there are left out."""
        found: list[EntityRecord] = []
        for entity_id in ids:
            ordinal = self.snapshot.ordinal(entity_id)
            if ordinal is not None:
                entity = self.snapshot.entity(ordinal)
                found.append(
                    EntityRecord(
                        id=entity.id,
                        label=entity.label,
                        description=entity.description,
                        types=entity.types,
                        xrefs=entity.xrefs,
                    )
                )
        return found

    @property
    def encoder_version(self) -> str:
        """Names what makes the vectors of `embed`."""
        return self._encoder.version

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the unit vector of each text (texts x 384)."""
        return self._encoder.embed(texts)

    def has_type(self, type_id: str) -> bool:
        """Say whether the knowledge base has this type."""
        return type_id in self.snapshot.type_labels

    def contains(self, entity: str) -> bool:
        """Say whether the knowledge base has this entity."""
        return self.snapshot.ordinal(entity) is not None

    def training_count(self, entity: str) -> int:
        """Return how often the entity was linked in the documents that the KB's counts come from."""
        ordinal = self.snapshot.ordinal(entity)
        return 0 if ordinal is None else int(self.snapshot.popularity[ordinal])

    def baseline(self, name: str) -> Linker:
        """Return a linker over the same knowledge base and mentions that ranks by one feature: see `BASELINES`."""
        feature, scale = BASELINES[name]
        return Linker(self._encoder, self.search, self.search, SingleFeatureScorer(name, feature, self._scorer, scale))

    def close(self) -> None:
        """Let go of the snapshot; its files are unmapped when the last answer is done with them."""
