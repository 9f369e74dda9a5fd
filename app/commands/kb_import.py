"""`namesake kb import`: put entities into the knowledge base."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal import CommandError, command_settings, print_error, visible

if TYPE_CHECKING:
    from kb.importers.report import ImportReport, Progress, ProgressCallback

REPORT_HELP = "File for what became of each entity: added, changed, unchanged, conflicting."
FILE_HELP = (
    "Entities (.jsonl, .csv, .tsv; data.noun of WordNet; .ttl, .rdf, .nt; .json of Wikidata); - is standard input."
)
FORMAT_HELP = (
    "Format of the file: jsonl, csv, wordnet, turtle, rdfxml, ntriples or wikidata. Its name tells it otherwise."
)
ENCODING_HELP = "Encoding of a table that is not in UTF-8."
DELIMITER_HELP = "What stands between the columns of a table: one character, or tab. It is found out otherwise."
LANGUAGE_HELP = "Of RDF and Wikidata, a language of names and descriptions, the preferred one first; may be repeated."
RELATION_HELP = (
    "Of RDF and Wikidata, a property (IRI, P131) that becomes a relation; or @FILE with one a line. May be repeated."
)
XREF_HELP = "Of Wikidata, a property that becomes an xref: P214 or P214=viaf; or @FILE. May be repeated."
TYPE_HELP = "Of Wikidata, only items of this type (Q5); or @FILE. May be repeated."
MAP_HELP = (
    "Column of a table for a field: FIELD=COLUMN, FIELD=COLUMN|SEPARATOR; or @FILE with one a line. May be repeated."
)


def import_(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    types: Annotated[Path | None, typer.Option(help="File of types.", show_default=False)] = None,
    predicates: Annotated[Path | None, typer.Option(help="File of predicates.", show_default=False)] = None,
    namespace: Annotated[str | None, typer.Option(help="Knowledge base to write to.", show_default=False)] = None,
    source: Annotated[str | None, typer.Option(help="Where the data comes from.", show_default=False)] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of that source.", show_default=False)] = None,
    rejects: Annotated[Path | None, typer.Option(help="File for unusable lines.", show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help=REPORT_HELP, show_default=False)] = None,
    format_: Annotated[str | None, typer.Option("--format", help=FORMAT_HELP, show_default=False)] = None,
    mapping: Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP, show_default=False)] = None,
    delimiter: Annotated[str | None, typer.Option(help=DELIMITER_HELP, show_default=False)] = None,
    encoding: Annotated[str | None, typer.Option(help=ENCODING_HELP, show_default=False)] = None,
    instances: Annotated[bool, typer.Option("--instances", help="Of WordNet, individuals only: no classes.")] = False,
    language: Annotated[list[str] | None, typer.Option(help=LANGUAGE_HELP, show_default=False)] = None,
    relation: Annotated[list[str] | None, typer.Option(help=RELATION_HELP, show_default=False)] = None,
    xref: Annotated[list[str] | None, typer.Option(help=XREF_HELP, show_default=False)] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help=TYPE_HELP, show_default=False)] = None,
    subclasses: Annotated[bool, typer.Option("--subclasses", help="With --type, also types below.")] = False,
    min_sitelinks: Annotated[int, typer.Option(min=0, help="Of Wikidata, only items with so many sitelinks.")] = 0,
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
    from app.service import open_database
    from kb.importers.context import ImportOptions
    from kb.importers.formats import Reading
    from kb.importers.jsonl import import_jsonl

    settings = command_settings(namespace=namespace)
    reading = Reading(
        format_,
        encoding=encoding,
        delimiter=delimiter,
        mapping=_lines(mapping),
        instances=instances,
        languages=tuple(language or ()),
        relations=_lines(relation),
        xrefs=_lines(xref),
        types=_lines(type_),
        subclasses=subclasses,
        min_sitelinks=min_sitelinks,
    )
    options = ImportOptions(settings.namespace, source, licence, dry_run, restart, rejects, report, reading)
    for path in (file, types, predicates):
        if path is not None and str(path) != "-" and not path.is_file():
            raise CommandError(f"There is no file {path}", "check the path")
    _check_encoding(encoding)
    with open_database(settings) as engine, _bar() as advance:
        result = import_jsonl(engine, file, types=types, predicates=predicates, options=options, progress=advance)
    _show(result)
    if result.damage is not None or (strict and result.rejected):
        raise typer.Exit(1)


@contextmanager
def _bar() -> Iterator[ProgressCallback]:
    """Draw a bar, and give the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("import", total=None, rate="")

        def advance(position: Progress) -> None:
            seconds = bar.tasks[0].elapsed or 0.0
            rate = f"{position.entities / seconds:,.0f} entities/s" if seconds > 0 else ""
            bar.update(task, completed=position.done_bytes, total=position.total_bytes, rate=rate)

        yield advance


def _lines(values: list[str] | None) -> tuple[str, ...]:
    """Return the values of an option that may be repeated, with the lines of a file in the place of @FILE."""
    found: list[str] = []
    for value in values or ():
        if not value.startswith("@"):
            found.append(value)
            continue
        path = Path(value[1:])
        if not path.is_file():
            raise CommandError(f"There is no file {path}", "check the path after @")
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [line for line in lines if line.strip() and not line.startswith("#")]
    return tuple(found)


def _check_encoding(encoding: str | None) -> None:
    try:
        "".encode(encoding or "utf-8")
    except LookupError:
        raise CommandError(f"There is no encoding {encoding}", "name one such as cp1252, latin-1 or utf-16") from None


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
