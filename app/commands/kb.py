"""`namesake kb`: import, export and look at the knowledge base."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.commands.kb_import import import_
from app.terminal import CommandError, command_settings

app = typer.Typer(no_args_is_help=True)
app.command("import")(import_)


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
