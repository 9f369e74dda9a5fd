"""`namesake annotate`: annotate the documents of a file or a folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.bulk.writers.formats import FORMATS, OutputFormat, check_format, format_of, stream
from app.terminal import CommandError, check_output, command_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.bulk.output import Output
    from app.bulk.summary import Summary
    from app.jobs.reading import Columns
    from app.jobs.store import Chunk
    from app.settings import Settings

InputFormat = Literal["jsonl", "csv", "parquet", "zip", "folder", "txt"]
INPUT_ENDINGS: dict[str, InputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".zip": "zip",
    ".txt": "txt",
}
STDIO = Path("-")
SOURCE_HELP = "Documents: .jsonl (also .gz), .csv, .parquet, .zip or a folder of .txt, .txt; - reads JSON lines."
OUT_HELP = "File to write: .jsonl (answers as of POST /v1/annotate), .csv, .parquet, or as --format says; - prints."
REPORT_HELP = "HTML page to write, too: numbers, frequent entities, and documents with their mentions in colour."
ENGINE_HELP = "ray: IN is a .jsonl or .parquet file or a folder of such, OUT a folder; on one machine or a Ray cluster."
ADDRESS_HELP = "Ray cluster for --engine ray: auto, or HOST:PORT."
FORCE_HELP = "Overwrite OUT and the report, and forget what an earlier run left."


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be annotated, and how."""

    source: Path
    kind: InputFormat
    columns: Columns
    settings: Settings
    options: dict[str, Any]
    workers: int | None
    keep_text: bool


def annotate(
    source: Annotated[Path, typer.Argument(metavar="IN", help=SOURCE_HELP, show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help=OUT_HELP, show_default=False)],
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes.", show_default="one a core")] = None,
    input_format: Annotated[InputFormat | None, typer.Option(help="What IN is.", show_default="by its ending")] = None,
    output_format: Annotated[
        OutputFormat | None, typer.Option("--format", help="What OUT is to be.", show_default="by its ending")
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field or column with the text.")] = "text",
    id_field: Annotated[str, typer.Option(help="Field or column with the document's id.")] = "id",
    candidates: Annotated[int, typer.Option(min=0, max=30, help="Candidates to list for each mention.")] = 0,
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Leave out links below this probability.")] = 0.0,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only entities of this type; may be repeated.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Knowledge base to link to.", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help=REPORT_HELP, show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    engine: Annotated[Literal["local", "ray"], typer.Option(help=ENGINE_HELP)] = "local",
    address: Annotated[str | None, typer.Option(help=ADDRESS_HELP, show_default="Ray on this machine")] = None,
) -> None:
    """Annotate the documents of a file or a folder, and say what was found.

    Ended at whatever moment, the same command goes on where it was. What cannot be read goes to OUT.rejects.jsonl, with
    its place and the remedy.

    Examples:
    namesake annotate tickets.jsonl annotated.jsonl

    namesake annotate pages.parquet mentions.csv --text-field body --workers 4

    cat tickets.jsonl | namesake annotate - - > annotated.jsonl

    namesake annotate tickets.jsonl tickets.ttl --report tickets.html

    namesake annotate crawl/ annotated/ --engine ray --address auto
    """
    from app.jobs.reading import Columns

    columns, settings = Columns(text_field, id_field), command_settings(namespace=namespace)
    options = {"candidates": candidates, "min_confidence": min_confidence, "types": types or []}
    if engine == "ray":
        from app.bulk.ray_engine import RayTask, annotate_with_ray

        if report is not None:
            raise CommandError("--engine ray writes no --report", "leave it out, or take --engine local")
        kind = _partition_format(source, input_format, output_format)
        annotate_with_ray(RayTask(source, out, kind, columns, settings, options, workers, address), fresh=force)
        return
    if address is not None:
        raise CommandError("--address names a Ray cluster", "add --engine ray, or leave it out")
    wanted = output_format or _wanted(out)
    keep_text = FORMATS[wanted].needs_text or report is not None
    task = Task(source, input_format or _kind(source), columns, settings, options, workers, keep_text)
    _check_outputs(out, wanted, report, force)
    if out == STDIO:
        _print(task, wanted)
    else:
        _annotate(task, out, wanted, report, force)


def _annotate(task: Task, out: Path, wanted: OutputFormat, report: Path | None, force: bool) -> None:
    """Annotate into a file, in steps that an interruption does not undo."""
    from app.bulk.convert import converted
    from app.bulk.output import OtherInput, Output
    from app.bulk.report import write_report
    from app.bulk.summary import Summary

    try:
        output = Output(out, _fingerprint(task), fresh=force)
    except OtherInput as error:
        raise CommandError(f"{out}.journal: {error}", "add --force, or name another file") from None
    try:
        summary = Summary()
        with output.partial.open("rb") as before:
            for line in before:
                summary.add(line)
        if output.done.items:
            typer.echo(f"going on after {output.done.items:,} documents", err=True)
        _fill(task, output, summary)
        rejects = output.done.items - summary.documents
        made = converted(output, wanted, has_text=task.keep_text)
        if report is not None:
            write_report(output, summary, report)
        output.finish(made)
    finally:
        output.close()
    typer.echo(summary.text(rejects))
    if rejects:
        typer.echo(f"What could not be read: {output.rejects}")


def _fill(task: Task, output: Output, summary: Summary) -> None:
    """Annotate what is not yet annotated."""
    from app.jobs.reading import read_documents
    from app.progress import step_bars

    with _explained(task.source), step_bars() as progress:
        total = 0
        if task.source != STDIO:
            total = sum(1 for _ in read_documents(task.source, task.kind, task.columns))
        for chunk, result in _linked(task, output.done.items):
            output.add(chunk.documents + chunk.rejects, result, chunk.rejected or b"")
            summary.add(result)
            progress("documents", output.done.items, max(total, output.done.items))


def _print(task: Task, wanted: OutputFormat) -> None:
    """Annotate onto standard output; what cannot be read is told on standard error."""
    import orjson

    def documents() -> Iterator[dict[str, Any]]:
        for chunk, result in _linked(task, 0):
            yield from map(orjson.loads, result.splitlines())
            sys.stdout.buffer.flush()
            typer.echo((chunk.rejected or b"").decode(), nl=False, err=True)

    with _explained(task.source):
        sys.stdout.buffer.writelines(stream(wanted, documents()))


def _linked(task: Task, first: int) -> Iterator[tuple[Chunk, bytes]]:
    """Yield the chunks from a document on, with their answers."""
    import itertools
    import os

    from app.bulk.workers import linked_chunks
    from app.jobs.cutting import checked, in_chunks
    from app.jobs.reading import read_documents

    path = Path("/dev/stdin") if task.source == STDIO else task.source
    items = itertools.islice(read_documents(path, task.kind, task.columns), first, None)
    chunks = in_chunks(checked(items, first, task.options, task.settings))
    workers = task.workers or len(os.sched_getaffinity(0))
    linked_in_order = linked_chunks(chunks, task.settings, task.options, workers, keep_text=task.keep_text)
    for chunk, linked in linked_in_order:
        yield chunk, linked.result


class _explained:  # noqa: N801 - a context manager, used as one
    """Turns what may go wrong with files and processes into errors with a remedy."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from concurrent.futures.process import BrokenProcessPool

        from app.jobs.reading import UnreadableInput

        if isinstance(error, UnreadableInput):
            raise CommandError(f"{self._source}: {error}", "see `namesake annotate --help`") from None
        if isinstance(error, BrokenProcessPool):
            raise CommandError(
                "A worker process was killed, perhaps because the memory was used up",
                "run the same command again: it goes on; take fewer --workers",
            ) from None


def _kind(source: Path) -> InputFormat:
    """Return what the input is by its name.

    Raises:
        CommandError: it does not say, or there is none.
    """
    if source == STDIO:
        return "jsonl"
    if not source.exists():
        raise CommandError(f"There is no file or folder {source}", "check the path")
    if source.is_dir():
        return "folder"
    found = INPUT_ENDINGS.get(Path(source.name.removesuffix(".gz")).suffix.lower())
    if found is None:
        raise CommandError(f"The end of {source} does not say what it is", "name it, for example: --input-format jsonl")
    return found


def _wanted(out: Path) -> OutputFormat:
    if out == STDIO:
        return "jsonl"
    found = format_of(out)
    if found is None:
        raise CommandError(f"The end of {out} does not say what it is to be", "name it, for example: --format jsonl")
    return found


def _check_outputs(out: Path, wanted: OutputFormat, report: Path | None, force: bool) -> None:
    """Look before the work begins whether its result can be written.

    Raises:
        CommandError: it cannot.
    """
    check_format(wanted, printed=out == STDIO)
    check_output(out, force=force)
    if report is None:
        return
    if out == STDIO:
        raise CommandError("--report is written with a file", "name a file as OUT, or leave --report out")
    if report == STDIO or report.absolute() == out.absolute():
        raise CommandError(f"--report {report} is no file of its own", "name another file, for example: report.html")
    check_output(report, force=force)


def _partition_format(
    source: Path, input_format: InputFormat | None, output_format: OutputFormat | None
) -> Literal["jsonl", "parquet"]:
    """Return what the files are to be that Ray's actors write.

    Raises:
        CommandError: the Ray engine cannot read or write that.
    """
    if input_format is not None:
        raise CommandError("--engine ray goes by the endings of files", "leave --input-format out")
    if output_format not in (None, "jsonl", "parquet"):
        raise CommandError(f"--engine ray does not write {output_format}", "take --format jsonl or --format parquet")
    if not source.exists():
        raise CommandError(f"There is no file or folder {source}", "check the path; --engine ray reads no pipes")
    return output_format or "jsonl"


def _fingerprint(task: Task) -> dict[str, Any]:
    """Return what must be the same to go on with the output of an earlier run."""
    status = None if task.source == STDIO or task.source.is_dir() else task.source.stat()
    return {
        "input": str(task.source.absolute()),
        "size": None if status is None else status.st_size,
        "format": task.kind,
        "columns": [task.columns.text, task.columns.id],
        "namespace": task.settings.namespace,
        "options": task.options,
        "text": task.keep_text,
    }
