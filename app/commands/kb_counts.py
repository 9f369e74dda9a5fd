"""`namesake kb import-counts`: how often each name led to each entity, from labelled documents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.labelled import SOURCE_HELP, read_labelled
from app.terminal import CommandError, NamespaceOption, command_settings, print_error

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS_HELP = "Labelled documents (.jsonl or .jsonl.gz) with their links."


def import_counts(
    documents: Annotated[list[Path], typer.Argument(help=DOCUMENTS_HELP)],
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, tell what would be added.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Count documents that were counted before once more.")] = False,
    namespace: NamespaceOption = None,
) -> None:
    """Add how often each name is a link to an entity to the counts of its aliases, and to its popularity.

    All of it is one transaction, with a revision for each entity, which can be undone as other edits.

    Example:
    namesake kb import-counts train.jsonl.gz --source wiki-prose
    """
    from sqlalchemy.orm import Session

    from app.service import open_database
    from kb.curation import Edit
    from kb.link_counts import add_link_counts, count_names

    settings = command_settings(namespace=namespace)
    for path in documents:
        if not path.is_file():
            raise CommandError(f"There is no file {path}", "check the path")
    counts = count_names(_links(documents, source))
    edit = Edit("link_counts", comment=f"links of {', '.join(path.name for path in documents)}")
    with open_database(settings) as engine, Session(engine) as session:
        mark = _mark(documents, source)
        found = add_link_counts(session, settings.namespace, counts, mark, edit, again=again)
        if dry_run:
            session.rollback()
        else:
            session.commit()
    would = "would be " if dry_run else ""
    typer.echo(
        f"{found.links:,} links to {found.entities:,} entities {would}counted, {found.new_aliases:,} new aliases"
    )
    if found.unknown:
        print_error("warning", f"{found.unknown:,} links lead to entities that are not here", "yellow")
    if found.unusable:
        print_error("warning", f"{found.unusable:,} links have a text that is no name, and were left out", "yellow")
    if found.links and not dry_run:
        typer.echo("Build the index again to use the counts: namesake index build")


def _links(documents: list[Path], sources: list[str] | None) -> Iterator[tuple[str, str]]:
    """Yield entity and name of each link; pronouns and the like are no names."""
    for document in read_labelled(documents, sources):
        for mention in document.mentions:
            if mention.entity is not None and mention.kind != "coref":
                yield mention.entity, document.text[mention.start : mention.end]


def _mark(documents: list[Path], sources: list[str] | None) -> str:
    """Return what tells these documents from others: a hash of their content and of the chosen sources."""
    digest = hashlib.sha256(repr(sorted(sources or ())).encode())
    for path in documents:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
