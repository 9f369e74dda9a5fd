"""Where `model` and `kb` meet: an encoder, a snapshot and a scorer put together; and how snapshots are built."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine
from threadpoolctl import threadpool_limits

from app.live import LiveLinker, Model
from app.progress import step_bars
from app.settings import Settings
from kb import queries
from kb.candidates import SnapshotSearch
from kb.database import snapshot_session
from kb.index import KbSource, SnapshotFolders, build_snapshot
from kb.live.index import DeltaFull, KbReplaced
from kb.snapshot import SnapshotError
from kb.usage import other_model, read_usage
from model.adapter import SHIPPED, Adapter, read_adapter
from model.encoder import Backend, Encoder, load_encoder
from model.encoder_weights import WEIGHTS_SHA256
from model.entity_encoder import EntityEncoder, payload_version
from model.linker import Linker
from model.scorer import WEIGHTS, FeatureScorer, load_scorer

Progress = Callable[[str, int, int], None]
OTHER_USAGE = (
    "Links were encoded with {}, which is another encoder than this one, and are left out: run `namesake encode-links`"
    " again"
)


def open_encoder(settings: Settings) -> Encoder:
    """Open the token encoder that the settings name.

    Matrix products of this process run in one thread from now on. Those of linking are small: more threads would wait
    busily for the next product, on the cores that the encoder and other processes want.
    """
    threadpool_limits(1, user_api="blas")
    return load_encoder(
        graphs(settings),
        backend=backend_of(settings),
        source=settings.encoder,
        sha256=settings.encoder_sha256 or WEIGHTS_SHA256,
        threads=settings.threads,
        adapter=adapter_path(settings),
    )


def open_adapter(settings: Settings) -> Adapter | None:
    """Read what training added to the encoder, None where the settings want the encoder as it is.

    Raises:
        EncoderWeightsError: the file cannot be used.
        ModelFilesError: it is the shipped file, and damaged or another one.
    """
    path = adapter_path(settings)
    return None if path is None else read_adapter(path, settings.encoder_sha256 or WEIGHTS_SHA256)


def adapter_path(settings: Settings) -> Path | None:
    """Return the file of what training added to the encoder; None where the settings want the encoder as it is."""
    if settings.adapter == "none":
        return None
    return SHIPPED if settings.adapter == "shipped" else Path(settings.adapter)


def scorer_path(settings: Settings) -> Path:
    """Return the file of the scorer's weights."""
    return settings.scorer or WEIGHTS


def backend_of(settings: Settings) -> Backend:
    """Return what runs the encoder, `auto` decided."""
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


def graphs(settings: Settings) -> Path:
    """Return where the encoder's ONNX graphs are kept."""
    return settings.home / "cache" / "encoder"


def encodings(settings: Settings) -> Path:
    """Return where the vectors of texts that were encoded before are kept."""
    return settings.home / "cache" / "encodings"


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
            usage=read_usage(session, settings.namespace, payload_version(encoder)),
        )
        if (other := other_model(session, settings.namespace, payload_version(encoder))) is not None:
            sys.stderr.write(f"{OTHER_USAGE.format(other)}\n")
        payloads = EntityEncoder(encoder, encodings(settings))
        return build_snapshot(source, payloads, snapshot_folders(settings), progress)


def open_model(settings: Settings) -> Model:
    """Load the encoder and the scorer that the settings name."""
    encoder = open_encoder(settings)
    return Model(encoder, EntityEncoder(encoder, encodings(settings)), load_scorer(scorer_path(settings)))


def open_linker(settings: Settings, engine: Engine, *, build: bool) -> LiveLinker:
    """Open the current snapshot and the model, and put a linker together.

    Args:
        build: build a snapshot first where there is none that this model can use.

    Raises:
        SnapshotError: there is no usable snapshot, and `build` is false.
        KbReplaced: the snapshot is of another knowledge base, and `build` is false.
    """
    model = open_model(settings)
    try:
        linker, full = link_with(settings, engine, model)
    except (SnapshotError, KbReplaced) as error:
        if not build:
            raise
        sys.stderr.write(f"{error}; this is done now\n")
        with step_bars() as progress:
            build_index(settings, engine, model.encoder, progress)
        linker, full = link_with(settings, engine, model)
    if full:
        sys.stderr.write(
            f"{DeltaFull.__doc__} Until then answers know nothing after kb_version {linker.kb_version}: a service "
            "builds one by itself, or run `namesake index build`.\n"
        )
    return linker


def link_with(settings: Settings, engine: Engine, model: Model) -> tuple[LiveLinker, bool]:
    """Put a linker together over the current snapshot and what changed since.

    Returns:
        The linker, and whether so much changed that answers know nothing of it.

    Raises:
        SnapshotError: there is no snapshot that this model can use.
        KbReplaced: the snapshot is of another knowledge base than the one that has this name now.
    """
    snapshot = snapshot_folders(settings).open_current(payload_version(model.encoder))
    linker = LiveLinker(model, snapshot)
    try:
        with snapshot_session(engine) as session:
            linker.refresh(session)
    except DeltaFull:
        return linker, True
    return linker, False


def open_pipeline(settings: Settings, scorer: FeatureScorer) -> Linker:
    """Put a linker together with a scorer of one's own over the current snapshot, to fit that scorer.

    Raises:
        SnapshotError: there is no usable snapshot.
    """
    encoder = open_encoder(settings)
    search = SnapshotSearch(snapshot_folders(settings).open_current(payload_version(encoder)))
    return Linker(encoder, search, search, scorer)
