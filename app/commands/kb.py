"""`namesake kb`: import, export and look at the knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal import CommandError, command_settings, print_error, visible

if TYPE_CHECKING:
    from kb.importers.report import ImportReport

app = typer.Typer(no_args_is_help=True)

REPORT_HELP = "File for what became of each entity: added, changed, unchanged, conflicting."
FILE_HELP = "Entities, one JSON object a line (.jsonl or .jsonl.gz); - reads standard input."


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    types: Annotated[Path | None, typer.Option(help="File of types.", show_default=False)] = None,
    predicates: Annotated[Path | None, typer.Option(help="File of predicates.", show_default=False)] = None,
    namespace: Annotated[str | None, typer.Option(help="Knowledge base to write to.", show_default=False)] = None,
    source: Annotated[str | None, typer.Option(help="Where the data comes from.", show_default=False)] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of that source.", show_default=False)] = None,
    rejects: Annotated[Path | None, typer.Option(help="File for unusable lines.", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help=REPORT_HELP, show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, tell what would be written.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, not where it was interrupted.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a line is rejected.")] = False,
) -> None:
    """Import entities; those that are there already are brought up to date.

    An interrupted import goes on where it was when the same file is imported again.

    Examples:
    namesake kb import entities.jsonl.gz --types types.jsonl --predicates predicates.jsonl

    namesake kb import entities.jsonl --dry-run
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from app.service import open_database
    from kb.importers.context import ImportOptions
    from kb.importers.jsonl import import_jsonl
    from kb.importers.report import Progress as Position

    settings = command_settings(namespace=namespace)
    options = ImportOptions(settings.namespace, source, licence, dry_run, restart, rejects, report)
    for path in (file, types, predicates):
        if path is not None and str(path) != "-" and not path.is_file():
            raise CommandError(f"There is no file {path}", "check the path")
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"))
    with (
        open_database(settings) as engine,
        Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar,
    ):
        task = bar.add_task("import", total=None, rate="")

        def advance(position: Position) -> None:
            seconds = bar.tasks[0].elapsed or 0.0
            rate = f"{position.entities / seconds:,.0f} entities/s" if seconds > 0 else ""
            bar.update(task, completed=position.done_bytes, total=position.total_bytes, rate=rate)

        result = import_jsonl(engine, file, types=types, predicates=predicates, options=options, progress=advance)
    _show(result)
    if result.damage is not None or (strict and result.rejected):
        raise typer.Exit(1)


def _show(report: ImportReport) -> None:
    verb = "would be " if report.dry_run else ""
    for name, counts in (("entities", report.entities), ("types", report.types), ("predicates", report.predicates)):
        if counts.read:
            typer.echo(
                f"{counts.read:>9,} {name}: {counts.added:,} {verb}added, {counts.changed:,} {verb}changed, "
                f"{counts.unchanged:,} unchanged, {counts.rejected:,} rejected"
            )
    typer.echo(f"in {report.seconds:.1f} s, {report.entities.read / max(report.seconds, 0.001):,.0f} entities/s")
    if report.resumed_at:
        typer.echo(f"went on after line {report.resumed_at:,} of an interrupted import")
    _warn(report)


def _warn(report: ImportReport) -> None:
    """Say on standard error what should be looked at."""
    for kind, ids in (("types", report.unknown_types), ("predicates", report.unknown_predicates)):
        if ids:
            print_error("warning", f"{len(ids)} {kind} were in no file; the ids are labels: {ids[:5]}", "yellow")
    if report.unknown_fields:
        names = ", ".join(f"{name} ({count:,})" for name, count in report.unknown_fields.most_common(5))
        print_error("warning", f"Fields that mean nothing here were left out: {names}", "yellow")
    if report.pending_relations:
        some = "; ".join(" ".join(edge) for edge in report.pending_examples)
        print_error("warning", f"{report.pending_relations:,} relations wait for their object: {some}", "yellow")
    if report.conflicts:
        count = report.entities.conflicting
        print_error("warning", f"{count:,} entities conflict: {'; '.join(report.conflicts)}", "yellow")
    for where, line, field, error in report.rejects:
        print_error("rejected", f"{where} line {line}, {field or 'whole line'}: {visible(error)}", "yellow")
    if report.rejects_file is not None:
        print_error("warning", f"All {report.rejected:,} rejected lines are in {report.rejects_file}", "yellow")
    if report.damage is not None:
        print_error("error", report.damage)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write (.jsonl or .jsonl.gz); - writes standard output.")],
    types: Annotated[Path | None, typer.Option(help="File for the types.", show_default=False)] = None,
    predicates: Annotated[Path | None, typer.Option(help="File for the predicates.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Export the knowledge base in the format of the import.

    Example:
    namesake kb export entities.jsonl.gz --types types.jsonl --predicates predicates.jsonl
    """
    from app.progress import step_bars
    from app.service import open_database
    from kb.exporters.jsonl import STDOUT, export_jsonl

    settings = command_settings()
    for path in (file, types, predicates):
        if path is not None and path != STDOUT and path.exists() and not force:
            raise CommandError(f"{path} exists already", "name another file, or add --force")
    with open_database(settings) as engine, step_bars() as progress:
        count = export_jsonl(engine, settings.namespace, file, types=types, predicates=predicates, progress=progress)
    where = "standard output" if file == STDOUT else str(file)
    typer.echo(f"Wrote {count:,} entities to {where}", err=file == STDOUT)


@app.command()
def stats(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Count what the knowledge base holds.

    Example:
    namesake kb stats --json
    """
    import orjson
    from sqlalchemy.orm import Session

    from app.service import open_database
    from kb import queries

    settings = command_settings()
    with open_database(settings) as engine, Session(engine) as session:
        found = asdict(queries.stats(session, settings.namespace))
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' '):<20}{value:>12,}")
