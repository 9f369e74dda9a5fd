"""`namesake index`: build, look at and check the index of the knowledge base."""

from __future__ import annotations

from typing import Annotated

import typer

from app.terminal import command_settings

Namespace = Annotated[
    str | None, typer.Option("--namespace", help="Knowledge base that the index is of.", show_default=False)
]

app = typer.Typer(no_args_is_help=True)


@app.command()
def build(namespace: Namespace = None) -> None:
    """Build a new snapshot of the knowledge base and put it in place of the current one.

    Texts that were encoded before are not encoded again, so an interrupted build goes on where it was. The service
    goes on with the old snapshot meanwhile.

    Example:
    namesake index build
    """
    from app.assembly import build_index, open_encoder
    from app.progress import step_bars
    from app.service import open_database

    settings = command_settings(namespace=namespace)
    with open_database(settings) as engine, step_bars() as progress:
        folder = build_index(settings, engine, open_encoder(settings), progress)
    typer.echo(f"The index is in {folder}")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, namespace: Namespace = None
) -> None:
    """Show the current snapshot: versions, size, age.

    Example:
    namesake index status
    """
    import orjson

    from app.assembly import snapshot_folders
    from kb.snapshot import read_manifest

    folders = snapshot_folders(command_settings(namespace=namespace))
    folder = folders.current()
    if folder is None:
        typer.echo("No index has been built yet: run `namesake index build`")
        raise typer.Exit(1)
    manifest = read_manifest(folder)
    shown = {
        "folder": str(folder),
        "namespace": manifest.namespace,
        "kb_version": manifest.kb_version,
        "model_version": manifest.model_version,
        "entities": manifest.entities,
        "aliases": manifest.aliases,
        "bytes": sum(size for size, _ in manifest.files.values()),
        "created_at": manifest.created_at,
    }
    if as_json:
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    else:
        for name, value in shown.items():
            typer.echo(f"{name:<14} {value:,}" if isinstance(value, int) else f"{name:<14} {value}")


@app.command()
def verify(namespace: Namespace = None) -> None:
    """Check every file of the current snapshot against its manifest.

    Example:
    namesake index verify
    """
    from app.assembly import snapshot_folders

    snapshot = snapshot_folders(command_settings(namespace=namespace)).open_current()
    typer.echo(f"{snapshot.folder} is whole: {len(snapshot.manifest.files)} files, {len(snapshot):,} entities")
