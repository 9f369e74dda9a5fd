"""`namesake setup` and `namesake up`: from an empty machine to a service that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from app.terminal import command_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.live import LiveLinker
    from app.settings import Settings

SAMPLE = "Jaguar unveiled a sports car in Geneva. Paris is the capital of France, Paris Hilton an heiress."


def setup() -> None:
    """Set up the database, import the starter KB if there are no entities yet, and build the index if there is none.

    Example:
    namesake setup
    """
    from app.service import open_database

    settings = command_settings()
    with open_database(settings) as engine:
        prepare(settings, engine).close()
    typer.echo(f"Namesake is set up in {settings.home}")


def up() -> None:
    """Set everything up, link a sample text, and serve until Ctrl-C.

    Example:
    namesake up
    """
    from app.commands.serve import open_listener, serve
    from app.service import open_database

    settings = command_settings()
    open_listener(settings.host, settings.port).close()  # a port in use is told before minutes of setting up
    with open_database(settings) as engine:
        linker = prepare(settings, engine)
        _show_sample(linker)
        linker.close()
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        typer.echo(
            f"\nServing on http://{shown}:{settings.port} - the docs page is http://{shown}:{settings.port}/docs"
        )
        typer.echo("Ctrl-C stops the service.")
        serve(None, None, None)


def prepare(settings: Settings, engine: Engine) -> LiveLinker:
    """Bring a home to where it can serve, and return its linker."""
    from sqlalchemy.orm import Session

    from app.assembly import open_linker
    from kb import queries

    with Session(engine) as session:
        empty = not queries.kb_version(session, settings.namespace)
    if empty:
        typer.echo(f"Imported the starter KB: {import_starter(engine, settings.namespace):,} entities")
    return open_linker(settings, engine, build=True)


def import_starter(engine: Engine, namespace: str) -> int:
    """Import the starter KB with the licences of its sources, and return the number of its entities."""
    import orjson
    from sqlalchemy.orm import Session

    from kb import curation
    from kb.importers.context import ImportOptions
    from kb.importers.jsonl import import_jsonl
    from kb.starter import files

    starter = files()
    report = import_jsonl(
        engine,
        starter.entities,
        types=starter.types,
        predicates=starter.predicates,
        options=ImportOptions(namespace, actor="setup"),
    )
    with Session(engine) as session, session.begin():
        for row in orjson.loads(starter.sources.read_bytes()):
            url, licence, note = row["url_or_package"], row["licence"], row["note"]
            curation.put_source(session, namespace, row["id"], licence=licence, url=url, note=note)
    return report.entities.added


def _show_sample(linker: LiveLinker) -> None:
    from model.types import Document, LinkOptions

    (answer,) = linker.link([Document("sample", SAMPLE)], LinkOptions())
    typer.echo(f"\n{SAMPLE}")
    for link in answer.links:
        for record in linker.records([link.entity] if link.entity else []):
            typer.echo(f"  {link.text}: {record.label} ({record.id}), {link.confidence:.0%} - {record.description}")
