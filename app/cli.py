"""The command line: `namesake COMMAND`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.commands import db, feedback, index, kb, keys, model
from app.commands.annotate import annotate
from app.commands.doctor import doctor
from app.commands.evaluate import evaluate_command
from app.commands.fit import fit
from app.commands.link import link
from app.commands.links import count_links, encode_links
from app.commands.serve import serve
from app.commands.train import train
from app.commands.up import setup, up
from app.commands.weak_label import weak_label
from app.commands.worker import worker
from app.terminal import MISTAKE, explain

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(setup)
app.command()(serve)
app.command()(worker)
app.command()(link)
app.command()(annotate)
app.command()(doctor)
app.add_typer(kb.app, name="kb", help="Import, export and look at the knowledge base.")
app.add_typer(index.app, name="index", help="Build and check the index of the knowledge base.")
app.add_typer(db.app, name="db", help="Look after the database.")
app.add_typer(keys.app, name="keys", help="Make, list, rotate and revoke keys of the REST API.")
app.add_typer(feedback.app, name="feedback", help="Learn from what people say about answers.")
app.add_typer(model.app, name="model", help="Show the model, export its graphs, and keep its manifest true.")
app.command("evaluate")(evaluate_command)
app.command()(train)
app.command("count-links")(count_links)
app.command("encode-links")(encode_links)
app.command()(fit)
app.command("weak-label")(weak_label)


@app.command()
def version() -> None:
    """Print the version of Namesake.

    Example:
    namesake version
    """
    from app.version import installed_version

    typer.echo(installed_version())


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version of Namesake.")
    ] = False,
) -> None:
    """Which of the entities that share this name does the text mean?"""  # noqa: D400 - shown as it is in --help


def main() -> None:
    """Run the command line; expected errors end with exit code 2 and a remedy, not with a traceback."""
    try:
        app(prog_name="namesake")
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if not explain(error):
            raise
        sys.exit(MISTAKE)
