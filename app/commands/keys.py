"""`namesake keys`: make, list, rotate and revoke keys of the REST API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal import CommandError, NamespaceOption, command_settings, visible

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.settings import Settings
    from kb.keys import IssuedKey, KeyRecord

app = typer.Typer(no_args_is_help=True)

MADE_BY = "command line"
EXPIRES = "How long it is good: 12h, 90d, 52w."


class RoleName(StrEnum):
    """What `--role` takes; the same as `kb.keys.Role`, which costs a second to import."""

    READER = "reader"
    ANNOTATOR = "annotator"
    CURATOR = "curator"
    ADMIN = "admin"


@app.command()
def create(
    role: Annotated[RoleName, typer.Option(help="What its holder may do; each may also do what those before may.")],
    name: Annotated[
        str | None, typer.Option(help="Name in lists, the log and the history of edits.", show_default=False)
    ] = None,
    expires: Annotated[str | None, typer.Option(help=EXPIRES, show_default="never")] = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", help="Good for all knowledge bases.")] = False,
    namespace: NamespaceOption = None,
) -> None:
    """Make a key and print it, alone on the last line of standard output. It is shown this once.

    Example:
    namesake keys create --role curator --name loader --expires 90d
    """
    from kb.keys import Role, create_key

    if all_namespaces and namespace is not None:
        raise CommandError("--all-namespaces and --namespace exclude each other", "give one of them")
    settings = command_settings(namespace=namespace)
    lifetime = _lifetime(expires)
    good_for = None if all_namespaces else settings.namespace
    with _session(settings) as session:
        issued = create_key(session, Role(role), _checked_name(name or role), good_for, lifetime, MADE_BY)
    _show_issued(issued)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", help="Also keys of other knowledge bases.")
    ] = False,
    namespace: NamespaceOption = None,
) -> None:
    """List the keys that this knowledge base knows, also those that are no longer good; never the keys themselves.

    Example:
    namesake keys list --json
    """
    import orjson

    from kb.keys import list_keys

    settings = command_settings(namespace=namespace)
    with _session(settings) as session:
        found = [key for key in list_keys(session) if all_namespaces or key.good_for(settings.namespace)]
    if as_json:
        typer.echo(orjson.dumps([asdict(key) for key in found], option=orjson.OPT_INDENT_2).decode())
        return
    if not found:
        typer.echo("There are no keys yet: `namesake keys create --role reader` makes one.")
        return
    for line in _table(found):
        typer.echo(visible(line))


@app.command()
def rotate(
    key_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, help="Id of the key, as `namesake keys list` shows it.")
    ],
    expires: Annotated[
        str | None, typer.Option(help=EXPIRES, show_default="as long as the old one was meant to be")
    ] = None,
) -> None:
    """Put a new key in the place of one and print it, as `create` does. The old one stops working within a second.

    Example:
    namesake keys rotate 3
    """
    from kb.keys import rotate_key

    settings = command_settings()
    lifetime = _lifetime(expires)
    with _session(settings) as session:
        issued = rotate_key(session, key_id, lifetime)
    _show_issued(issued)


@app.command()
def revoke(
    key_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, help="Id of the key, as `namesake keys list` shows it.")
    ],
) -> None:
    """Make a key useless for good, within a second.

    Example:
    namesake keys revoke 3
    """
    from kb.keys import revoke_key

    with _session(command_settings()) as session:
        revoked = revoke_key(session, key_id)
    typer.echo(f"Key {visible(revoked.label)} is revoked.")


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    """Yield a session that is committed at the end."""
    from sqlalchemy.orm import Session

    from app.service import open_database

    with open_database(settings) as engine, Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def _lifetime(written: str | None) -> timedelta | None:
    from app.access.lifetimes import REMEDY, parse_lifetime

    if written is None:
        return None
    try:
        return parse_lifetime(written)
    except ValueError as error:
        raise CommandError(f"--expires: {error}", REMEDY) from None


def _checked_name(name: str) -> str:
    from app.schemas.keys import NAME, NAME_LENGTH

    if len(name) > NAME_LENGTH or not re.search(NAME, name):
        remedy = f"give 1 to {NAME_LENGTH} characters without control characters, with no space at either end"
        raise CommandError(f"--name: {name!r} cannot be used", remedy)
    return name


def _show_issued(issued: IssuedKey) -> None:
    """Print what is known of a key to standard error, and the key alone to standard output."""
    key = issued.record
    until = f"until {_minute(key.expires_at)}" if key.expires_at else "until it is revoked"
    scope = f"the knowledge base {key.namespace}" if key.namespace else "all knowledge bases"
    typer.echo(f"Key {visible(key.label)}: {key.role} of {scope}, good {until}. It is shown this once:", err=True)
    typer.echo(issued.secret)


def _table(keys: list[KeyRecord]) -> Iterator[str]:
    rows = [("id", "name", "role", "namespace", "status", "created", "expires", "last used")]
    for key in keys:
        times = (_minute(key.created_at), _minute(key.expires_at), _minute(key.last_used_at))
        rows.append((str(key.id), key.name, key.role, key.namespace or "(all)", key.status, *times))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _minute(time: datetime | None) -> str:
    return "never" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M}"
