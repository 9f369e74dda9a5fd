"""`namesake db`: look after the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import command_settings

if TYPE_CHECKING:
    from app.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say which database is used, whether it runs, and at which revision its schema is. Starts nothing.

    Example:
    namesake db status
    """
    found = _status(command_settings())
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        typer.echo(f"{name}: {value}")


@app.command()
def migrate() -> None:
    """Bring the schema to this version of Namesake; serving and linking do so by themselves.

    Example:
    namesake db migrate
    """
    settings = command_settings()
    from app.service import open_database
    from kb.database import current_revision

    with open_database(settings) as engine:
        typer.echo(f"The schema is at revision {current_revision(engine)}.")


@app.command()
def stop() -> None:
    """Stop the embedded Postgres, whoever uses it; it usually stops by itself with the last process that uses it.

    Example:
    namesake db stop
    """
    settings = command_settings()
    if settings.database_url is not None:
        typer.echo("NAMESAKE_DATABASE_URL names a server of its own, which is not Namesake's to stop.")
        return
    from kb.embedded import stop as stop_embedded

    stopped = stop_embedded(settings.home)
    typer.echo("The embedded Postgres has stopped." if stopped else "The embedded Postgres was not running.")


def _status(settings: Settings) -> dict[str, Any]:
    from kb.database import current_revision, make_engine
    from kb.postmaster import Cluster

    if settings.database_url is not None:
        engine = make_engine(settings.database_url)
        try:
            where = engine.url.render_as_string(hide_password=True)
            return {"kind": "external", "url": where, "running": True, "revision": current_revision(engine)}
        finally:
            engine.dispose()
    cluster = Cluster(settings.home.resolve())
    found: dict[str, Any] = {"kind": "embedded", "data": str(cluster.data), "log": str(cluster.log), "running": False}
    if not _runs(cluster.data):
        return found
    from kb.embedded import embedded_postgres

    with embedded_postgres(settings.home) as server:
        return found | {"running": True, "pid": server.pid, "url": server.url, "revision": current_revision(server.url)}


def _runs(data: Path) -> bool:
    """Say whether a Postgres works in this folder: its file may also be left over from one that was killed."""
    import psutil

    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
        return process.name() == "postgres" and Path(process.cwd()).samefile(data)
    except (OSError, ValueError, psutil.Error):
        return False
