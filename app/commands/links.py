"""`namesake count-links` and `namesake encode-links`: what the links of a corpus say of names and of entities."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.labelled import SOURCE_HELP, read_labelled
from app.terminal import CommandError, NamespaceOption, command_settings, print_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

DOCUMENTS_HELP = "Documents (.jsonl or .jsonl.gz) with their links."
BLOCK = 500  # documents encoded between two reports of progress


def count_links(
    documents: Annotated[list[Path], typer.Argument(help=DOCUMENTS_HELP)],
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP, show_default=False)] = None,
) -> None:
    """Count how often each alias is a link where it occurs, so that "may" is not taken for a name.

    The counts are kept in the knowledge base; the next index build uses them.

    Example:
    namesake count-links train.jsonl.gz --source wiki-prose --source wiki-list
    """
    from sqlalchemy.orm import Session

    from app.assembly import snapshot_folders
    from app.service import open_database
    from kb import curation, queries
    from kb.occurrences import count_occurrences

    settings = command_settings()
    snapshot = snapshot_folders(settings).open_current()
    pairs = (
        (document.text, {(mention.start, mention.end) for mention in document.mentions})
        for document in read_labelled(documents, source)
    )
    counts = count_occurrences(snapshot.aliases, pairs)
    rows = [queries.AliasOccurrenceRecord(alias, *numbers) for alias, numbers in counts.items()]
    with open_database(settings) as engine, Session(engine) as session, session.begin():
        curation.replace_alias_occurrences(session, settings.namespace, rows)
    typer.echo(f"Counted {len(counts):,} aliases. Build the index again to use the counts: namesake index build")


def encode_links(
    documents: Annotated[list[Path], typer.Argument(help=DOCUMENTS_HELP)],
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP, show_default=False)] = None,
    namespace: NamespaceOption = None,
) -> None:
    """Encode the links of documents: how texts speak of each entity, whatever the knowledge base says of it.

    The mean over the links of each entity is kept in the knowledge base, in place of those from before; the next index
    build uses it. Links that were encoded before are not encoded again, so after an interruption the same command goes
    on where it was.

    Example:
    namesake encode-links train.jsonl.gz --source wiki-prose
    """
    from sqlalchemy.orm import Session

    from app.assembly import encodings, open_encoder
    from app.progress import step_bars
    from app.service import open_database
    from kb.usage import Usage, replace_usage
    from model.entity_encoder import payload_version
    from model.fitting import usage

    settings = command_settings(namespace=namespace)
    total = sum(1 for _ in read_labelled(documents, source))
    if not total:
        raise CommandError("There are no documents to read", "check the files and --source")
    encoder = open_encoder(settings)
    links = usage.LinkEncoder(encoder, encodings(settings))
    sums = usage.UsageSums()
    unknown = done = 0
    with open_database(settings) as engine, step_bars() as progress:
        reading = read_labelled(documents, source)
        while block := list(islice(reading, BLOCK)):
            unknown += usage.encode_links(block, links, _entity_of(engine, settings.namespace), sums)
            progress("documents", done := done + len(block), total)
        ids, counts, means = sums.means()
        if not ids:
            detail = f"None of {unknown:,} links leads to an entity of the knowledge base {settings.namespace}"
            raise CommandError(detail, "check the documents and --namespace; what was encoded before stays")
        with Session(engine) as session, session.begin():
            replace_usage(session, settings.namespace, payload_version(encoder), Usage(ids, counts, means))
    typer.echo(
        f"Encoded {sums.links:,} links to {len(ids):,} entities. Build the index again to use them:"
        " namesake index build"
    )
    if unknown:
        print_error("warning", f"{unknown:,} links lead to entities that are not here", "yellow")


def _entity_of(engine: Engine, namespace: str) -> Callable[[Sequence[str]], dict[str, str]]:
    """Return what finds the entities to which ids lead."""
    from sqlalchemy.orm import Session

    from kb.link_counts import storable
    from kb.lookups import entity_labels
    from kb.redirects import resolve_redirects

    def found(ids: Sequence[str]) -> dict[str, str]:
        possible = [key for key in ids if storable(key)]
        with Session(engine) as session:
            ends = {key: key for key in possible} | resolve_redirects(session, namespace, possible)
            there = entity_labels(session, namespace, sorted(set(ends.values())))
        return {key: end for key, end in ends.items() if end in there}

    return found
