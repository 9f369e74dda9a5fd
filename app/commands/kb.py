"""`namesake kb`: import, export and look at the knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.commands.kb_counts import import_counts
from app.commands.kb_import import import_
from app.terminal import CommandError, NamespaceOption, check_output, command_settings, writing

FORMAT_HELP = "Format to write; the name of the file tells it otherwise (.jsonl; .csv; .ttl or .nt for skos)."


class Format(StrEnum):
    """What an export writes."""

    JSONL = "jsonl"
    CSV = "csv"
    SKOS = "skos"


app = typer.Typer(no_args_is_help=True)
app.command("import")(import_)
app.command("import-counts")(import_counts)


@app.command()
def export(
    file: Annotated[
        Path, typer.Argument(help="File to write, compressed if its name ends in .gz; - is standard output.")
    ],
    format_: Annotated[Format | None, typer.Option("--format", help=FORMAT_HELP, show_default=False)] = None,
    types: Annotated[Path | None, typer.Option(help="File for the types.", show_default=False)] = None,
    predicates: Annotated[Path | None, typer.Option(help="File for the predicates.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    namespace: NamespaceOption = None,
) -> None:
    """Export the knowledge base in a format of the import.

    Examples:
    namesake kb export entities.jsonl.gz --types types.jsonl --predicates predicates.jsonl

    namesake kb export entities.ttl
    """
    from app.progress import step_bars
    from app.service import open_database
    from kb.exporters.jsonl import export_jsonl
    from kb.exporters.skos import export_skos
    from kb.exporters.tables import export_csv
    from kb.exporters.writing import STDOUT

    settings = command_settings(namespace=namespace)
    chosen = format_ or _format_of(file)
    if chosen is not Format.JSONL and (types or predicates):
        raise CommandError(f"--types and --predicates belong to jsonl, not to {chosen}", "leave them out")
    for path in (file, types, predicates):
        if path is not None:
            check_output(path, force=force)
    with open_database(settings) as engine, step_bars() as progress, writing(file):
        if chosen is Format.JSONL:
            count = export_jsonl(
                engine, settings.namespace, file, types=types, predicates=predicates, progress=progress
            )
        else:
            write = export_csv if chosen is Format.CSV else export_skos
            count = write(engine, settings.namespace, file, progress=progress)
    where = "standard output" if file == STDOUT else str(file)
    typer.echo(f"Wrote {count:,} entities to {where}", err=file == STDOUT)


def _format_of(file: Path) -> Format:
    name = file.name.removesuffix(".gz")
    if name.endswith((".ttl", ".nt")):
        return Format.SKOS
    return Format.CSV if name.endswith(".csv") else Format.JSONL


@app.command()
def stats(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, namespace: NamespaceOption = None
) -> None:
    """Count what the knowledge base holds.

    Example:
    namesake kb stats --json
    """
    import orjson
    from sqlalchemy.orm import Session

    from app.service import open_database
    from kb import queries

    settings = command_settings(namespace=namespace)
    with open_database(settings) as engine, Session(engine) as session:
        found = asdict(queries.stats(session, settings.namespace))
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' '):<20}{value:>12,}")
