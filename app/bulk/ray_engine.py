"""`namesake annotate --engine ray`: the parts of the input go through a pool of Ray Data's actors.

An actor opens the service once, as a process of the local engine does: the snapshot is mapped, so that a machine has it
in memory once. It writes the files of parts itself; through Ray go only their places and counts. What Ray does again
after a process or a machine was lost is put in the place of what was there.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from app.bulk.output import OtherInput
from app.bulk.partitions import Json, KilledAgain, NotOurs, PartitionFormat, Partitions
from app.bulk.parts import PART_BYTES, PART_DOCUMENTS, Part, cut_into_parts, input_files
from app.bulk.summary import totals
from app.jobs.reading import Columns, UnreadableInput
from app.progress import step_bars
from app.service import open_service
from app.settings import Settings
from app.terminal import CommandError

OBJECT_STORE_BYTES = 128 << 20  # of a Ray that is started here: nothing large goes through it
AGAIN = "run the same command again: it goes on"


@dataclass(frozen=True, slots=True)
class RayTask:
    """What is to be annotated, and where.

    Attributes:
        source: a file or a folder of .jsonl or .parquet files, at the same path on every machine.
        out: the folder to write, likewise.
        kind: of the files in it.
        columns: what the fields of documents are called.
        settings: of every actor.
        options: as `AnnotateMany` has them.
        workers: actors; None for one a core, or a GPU where there are any.
        address: of the Ray cluster; None starts Ray on this machine.
    """

    source: Path
    out: Path
    kind: PartitionFormat
    columns: Columns
    settings: Settings
    options: Json
    workers: int | None
    address: str | None


class Annotator:
    """The actor: links parts until its process ends."""

    def __init__(self, settings: Settings, partitions: Partitions) -> None:
        self._opened = ExitStack()
        self._service = self._opened.enter_context(open_service(settings))
        self._partitions = partitions

    def __call__(self, row: Json) -> Json:
        """Return the counts of a part, or what is wrong with it, which trying again would not mend."""
        part = Part(**row)
        try:
            return self._partitions.write(self._service, part) | {"error": ""}
        except (UnreadableInput, KilledAgain, OSError) as error:
            return {"error": f"{part.path}: {error}"}


def annotate_with_ray(task: RayTask, *, fresh: bool) -> None:
    """Annotate what is not yet annotated, and say what was found.

    Args:
        task: what is to be annotated.
        fresh: forget what an earlier run left.

    Raises:
        CommandError: the input, the output or the cluster cannot be used, or a part cannot be linked.
        SnapshotError: there is no usable index.
    """
    ray = _ray()
    partitions = Partitions(task.out.absolute(), task.kind, task.columns, task.options)
    parts = _planned(task, partitions, fresh)
    missing = [part for part in parts if not partitions.path_of(part.number).exists()]
    if len(missing) < len(parts):
        typer.echo(f"{len(parts) - len(missing):,} of {len(parts):,} partitions are there already", err=True)
    counts: Counter[str] = Counter()
    if missing:
        # Opened here, too: what is missing is told at once, and an embedded database runs as long as this does.
        with open_service(task.settings), _connected(ray, task), step_bars() as progress:
            for row in _linked(ray, task, partitions, missing):
                counts.update({name: value for name, value in row.items() if name != "error"})
                counts["parts"] += 1
                progress("partitions", counts["parts"], len(missing))
    partitions.end()
    typer.echo(_told(counts))
    if partitions.rejects.exists():
        typer.echo(f"What could not be read: {partitions.rejects}")


def _planned(task: RayTask, partitions: Partitions, fresh: bool) -> list[Part]:
    """Cut the input into parts, and make the folder for their files."""
    try:
        files = input_files(task.source)
        parts = list(cut_into_parts(files, task.columns))
        partitions.begin(_fingerprint(task, files), fresh=fresh)
    except UnreadableInput as error:
        raise CommandError(f"{task.source}: {error}", "see `namesake annotate --help`") from None
    except NotOurs as error:
        raise CommandError(f"{task.out}: {error}", "name a new or an empty folder") from None
    except OtherInput as error:
        raise CommandError(f"{task.out}: {error}", "add --force, or name another folder") from None
    return parts


def _linked(ray: Any, task: RayTask, partitions: Partitions, parts: list[Part]) -> Iterator[Json]:
    """Yield the counts of parts as they are done; Ray does again without end what was lost with a process."""
    gpus = 0 if task.settings.backend.startswith("onnx") else int(ray.cluster_resources().get("GPU", 0))
    settings = task.settings
    if not gpus and settings.threads is None:
        settings = settings.model_copy(update={"threads": 1})
    actors = min(task.workers or gpus or int(ray.cluster_resources()["CPU"]), len(parts))
    done = ray.data.from_items([asdict(part) for part in parts], override_num_blocks=len(parts)).map(
        Annotator,
        fn_constructor_args=(settings, partitions),
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        num_gpus=1 if gpus else None,
    )
    try:
        for row in done.iter_rows():
            if row["error"]:
                raise CommandError(row["error"], f"put that right, and {AGAIN}")
            yield row
    except ray.exceptions.ActorDiedError as error:
        raise CommandError(
            f"An actor could not begin: {str(error).strip().splitlines()[-1]}",
            f"see that its machine has NAMESAKE_HOME with the index, and reaches the database; {AGAIN}",
        ) from None


@contextmanager
def _connected(ray: Any, task: RayTask) -> Iterator[None]:
    """Start Ray on this machine, or connect to a cluster.

    Raises:
        CommandError: there is no such cluster, or its machines cannot reach the database.
    """
    common: Json = {"log_to_driver": False, "logging_level": logging.ERROR}
    if task.address is None:
        cores = max(len(os.sched_getaffinity(0)), task.workers or 1)
        ray.init("local", num_cpus=cores, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False, **common)
    else:
        try:
            _reach(task.address)
            ray.init(task.address, **common)
        except (OSError, RuntimeError, ValueError) as error:
            raise CommandError(
                f"The Ray cluster {task.address} cannot be used: {error}",
                "run this on a machine of the cluster, with its token (RAY_AUTH_TOKEN_PATH): see docs/scale.md",
            ) from None
    try:
        if task.settings.database_url is None and sum(node["Alive"] for node in ray.nodes()) > 1:
            raise CommandError(
                "The embedded database serves one machine, and this cluster has several",
                "set NAMESAKE_DATABASE_URL to a Postgres that all of them reach",
            )
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Look whether anybody listens there: Ray itself would try for minutes, and without a word."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _ray() -> Any:
    """Import Ray, told to send nothing home and to write nothing here.

    Raises:
        CommandError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise CommandError(
            f"--engine ray needs Ray Data: {error}", "pip install -c constraints.txt 'namesake-ned[ray]'"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _fingerprint(task: RayTask, files: list[Path]) -> Json:
    """Return what must be the same to go on with what an earlier run left."""
    return {
        "files": [[str(path.absolute()), path.stat().st_size] for path in files],
        "part": [PART_DOCUMENTS, PART_BYTES],
        "format": task.kind,
        "columns": [task.columns.text, task.columns.id],
        "namespace": task.settings.namespace,
        "options": task.options,
    }


def _told(counts: Counter[str]) -> str:
    nil = counts["mentions"] - counts["links"]
    told = totals(counts["documents"], counts["rejects"], counts["mentions"], nil)
    return f"{counts['parts']:,} partitions: {told}"
