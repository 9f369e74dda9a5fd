"""`namesake train`: train the encoder's adapter and its heads on documents and a knowledge base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from app.progress import Advance
    from app.settings import Settings
    from model.evaluation.corpus import LabelledDocument
    from model.training.config import TrainingConfig
    from model.training.encoder_data import EncoderData
    from model.training.encoder_task import EncoderTask
    from model.training.task import Status, Task

TRAINED = "encoder.safetensors"
CONFIG_HELP = "TOML file that describes the training; see docs/training.md."
FRESH_HELP = "Begin anew, though there are checkpoints to go on from: they are removed."


def train(
    config: Annotated[Path, typer.Option("--config", help=CONFIG_HELP, show_default=False)],
    fresh: Annotated[bool, typer.Option("--fresh", help=FRESH_HELP)] = False,
) -> None:
    """Train the encoder to read mentions near to what they mean, and to find them.

    The knowledge base says what its entities are called and what they are; the documents say which of them is meant.
    Interrupted at whatever moment, the same command goes on. A GPU is used where there is one. With model.entity_ids,
    the baseline ned-base is trained instead, on top of the encoder as it is.

    Example:
    namesake train --config encoder.toml
    """
    from app import ned_base
    from app.progress import step_bars
    from model.evaluation.corpus_lines import CorpusError
    from model.training.checkpoints import CheckpointError
    from model.training.config import ConfigError, read_config
    from model.training.loop import train as run
    from model.training.task import TrainingError

    settings = command_settings()
    try:
        described = read_config(config)
        with step_bars() as progress:
            prepare = ned_base.prepare if described.model.entity_ids else _prepare
            task, save = prepare(settings, described, progress)
            result = run(task, described, lambda status: _told(status, progress), fresh=fresh, warn=_warn)
    except CorpusError as error:
        raise CommandError(error.detail, error.remedy) from None
    except (ConfigError, CheckpointError, TrainingError) as error:
        raise CommandError(str(error), "see docs/training.md") from None
    typer.echo(result.summary())
    if result.interrupted is not None:
        raise typer.Exit(130)
    typer.echo(save())


def _prepare(settings: Settings, config: TrainingConfig, progress: Advance) -> tuple[Task, Callable[[], str]]:
    """Return the task, and what writes the trained file and says how it is used."""
    from app.service import open_database
    from model.training.encoder_network import save_trained

    with open_database(settings) as engine:
        data = _packed(settings, engine, config, progress)
    task = _task(settings, config, data)

    def save() -> str:
        out = config.checkpoints.folder / TRAINED
        save_trained(task.module, out, _encoder_hash(settings), _held_out(config))
        return (
            f"Trained: {out}\nUse it: set NAMESAKE_ADAPTER={out}, build the index (namesake index build), and fit the "
            "scorer to it (namesake fit --held-out)"
        )

    return task, save


def _packed(settings: Settings, engine: Engine, config: TrainingConfig, progress: Advance) -> EncoderData:
    """Turn the knowledge base and the documents into what is learned from."""
    from app.assembly import open_encoder
    from app.known_entities import known_entities
    from kb import queries
    from kb.database import snapshot_session
    from model.training.encoder_data import Packer
    from model.training.split import Split

    data = config.data
    division = Split(data.held_out_pages, data.held_out_entities, config.optimisation.seed)
    encoder = open_encoder(settings.model_copy(update={"adapter": "none"}))
    packer = Packer(encoder, division, config.encoder.alias_substitution)
    with snapshot_session(engine) as session:
        count = queries.count_entities(session, settings.namespace)
        if not count:
            raise CommandError(
                f"The knowledge base {settings.namespace} has no entities", "import some: namesake kb import FILE"
            )
        types = [(record.id, record.label) for record in queries.stream_types(session, settings.namespace)]
        packer.add_entities(known_entities(session, settings, count, progress), types)
    return packer.pack(_documents(config, progress))


def _documents(config: TrainingConfig, progress: Advance) -> Iterator[tuple[LabelledDocument, bool]]:
    """Yield the documents, each with whether every mention is marked in it; sources that are never shown left out."""
    from model.evaluation.corpus import read_documents
    from model.evaluation.corpus_lines import open_lines

    files = [(path, path in config.data.exhaustive) for path in (*_partial(config), *config.data.exhaustive)]
    total = sum(1 for path, _ in files for _ in open_lines(path))
    done = 0
    for path, whole in files:
        for document in read_documents(path):
            done += 1
            if done % 500 == 0 or done == total:
                progress("documents", done, total)
            if config.data.sources.get(document.source, 1.0) > 0:
                yield document, whole


def _partial(config: TrainingConfig) -> tuple[Path, ...]:
    return (*config.data.documents, *config.data.weak)


def _task(settings: Settings, config: TrainingConfig, data: EncoderData) -> EncoderTask:
    import torch

    from model.encoder_weights import find_weights
    from model.training.encoder_network import EncoderNetwork
    from model.training.encoder_task import EncoderTask
    from model.training.split import Split

    torch.manual_seed(config.optimisation.seed)
    network = EncoderNetwork(find_weights(settings.encoder), config.encoder.rank, config.encoder.frozen)
    network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    division = Split(config.data.held_out_pages, config.data.held_out_entities, config.optimisation.seed)
    folder = config.checkpoints.folder / "mined"
    return EncoderTask(network, data, config.encoder, division, config.data.sources, config.optimisation.epochs, folder)


def _told(status: Status, progress: Advance) -> None:
    progress("training", status.step, status.of)
    for name, value in status.evaluation.items():
        typer.echo(f"step {status.step:,}: {name} {value:.4f}", err=True)


def _warn(message: str) -> None:
    typer.echo(f"warning: {message}", err=True)


def _encoder_hash(settings: Settings) -> str:
    from model.encoder_weights import WEIGHTS_SHA256

    return settings.encoder_sha256 or WEIGHTS_SHA256


def _held_out(config: TrainingConfig) -> dict[str, float]:
    return {
        "pages": config.data.held_out_pages,
        "exhaustive": config.encoder.exhaustive_held_out,
        "entities": config.data.held_out_entities,
        "seed": config.optimisation.seed,
    }
