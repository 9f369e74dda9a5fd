"""`namesake feedback`: what people say about answers, as training documents, and deleted when it is old."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.terminal import CommandError, NamespaceOption, check_output, command_settings, writing

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write (.jsonl or .jsonl.gz); - writes standard output.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    namespace: NamespaceOption = None,
) -> None:
    """Write accepted feedback as labelled documents, which `namesake fit --documents` reads.

    Example:
    namesake feedback export feedback.jsonl.gz
    """
    from app.service import open_database
    from kb.database import snapshot_session
    from kb.exporters.jsonl import write_jsonl
    from kb.exporters.writing import STDOUT
    from kb.feedback import training_documents

    settings = command_settings(namespace=namespace)
    if file != STDOUT and not file.name.endswith((".jsonl", ".jsonl.gz")):
        raise CommandError(f"{file}: labelled documents have another ending", "name a file .jsonl or .jsonl.gz")
    check_output(file, force=force)
    with open_database(settings) as engine, snapshot_session(engine) as session, writing(file):
        count = write_jsonl(file, training_documents(session, settings.namespace))
    where = "standard output" if file == STDOUT else str(file)
    typer.echo(f"Wrote {count:,} documents to {where}", err=file == STDOUT)


@app.command()
def prune(
    days: Annotated[
        int | None, typer.Option(min=1, help="Delete what is older.", show_default="NAMESAKE_FEEDBACK_DAYS")
    ] = None,
    namespace: NamespaceOption = None,
) -> None:
    """Delete old feedback and collected mentions with their texts; what curators made of them stays.

    Example:
    namesake feedback prune --days 30
    """
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from app.service import open_database
    from kb import feedback

    settings = command_settings(namespace=namespace)
    age = settings.feedback_days if days is None else days
    if age == 0:
        raise CommandError("NAMESAKE_FEEDBACK_DAYS is 0, which keeps everything", "give --days to delete what is older")
    with open_database(settings) as engine, Session(engine) as session, session.begin():
        gone = feedback.prune(session, settings.namespace, timedelta(days=age))
    typer.echo(f"{gone:,} texts deleted")
