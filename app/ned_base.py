"""Training the baseline `ned-base` (`model/ned_base.py`) over the current index, and linking with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.assembly import open_pipeline
from app.progress import Advance
from app.service import open_database
from app.settings import Settings
from model.evaluation.corpus import read_documents
from model.fitting.fit import untrained
from model.linker import Linker
from model.ned_base import NAME, NedBase, save_ned_base
from model.scorer import FeatureScorer
from model.training.config import TrainingConfig
from model.training.ned_base_data import choose_documents, fingerprint, load_mentions, store_mentions
from model.training.ned_base_task import NedBaseTask
from model.training.split import Split
from model.training.task import TrainingError


def prepare(settings: Settings, config: TrainingConfig, progress: Advance) -> tuple[NedBaseTask, Callable[[], str]]:
    """Read the mentions of the documents, once, and return the task and what writes the trained file.

    Raises:
        SnapshotError: there is no index that the encoder can use.
        CorpusError: a document is not as it should be.
        TrainingError: there are no documents.
    """
    with open_database(settings):
        linker = open_pipeline(settings, FeatureScorer(untrained()))
    paths = (*config.data.documents, *config.data.weak)
    every = (document for path in paths for document in read_documents(path))
    documents = choose_documents(every, config.data.sources, config.optimisation.seed)
    if not documents:
        raise TrainingError("There is nothing to train on: check data.documents, and the rates in data.sources")
    name = fingerprint(linker, documents)
    folder = config.checkpoints.folder / f"mentions-{name}"
    store_mentions(linker, documents, folder, lambda done: progress("documents", done, len(documents)))
    task = NedBaseTask(
        load_mentions(folder),
        name,
        config.model.similarity,
        Split(config.data.held_out_pages, seed=config.optimisation.seed),
        config.data.sources,
        config.optimisation.batch_mentions,
        config.optimisation.epochs,
    )
    return task, lambda: _save(task, linker, config)


def _save(task: NedBaseTask, linker: Linker, config: TrainingConfig) -> str:
    """Write what was learned, and say how it is used."""
    network = task.module
    entities = [linker.store.entity_id(ordinal) for ordinal in task.ordinals.tolist()]
    vectors, weight, bias = (
        np.asarray(tensor.detach().numpy())
        for tensor in (network.vectors[: len(entities)], network.projection.weight, network.projection.bias)
    )
    out = config.checkpoints.folder / f"{NAME}.safetensors"
    save_ned_base(NedBase(linker.encoder.version, entities, vectors, weight, bias), out)
    return f"Trained: {out}, {len(entities):,} entities\nMeasure it: namesake evaluate --ned-base {out}"
