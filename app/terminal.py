"""What commands share: how errors and findings look on a terminal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from app.expected import is_expected, message_of
from app.settings import Settings, SettingsError, load_settings, unknown_settings

MISTAKE = 2  # exit code for what the caller can put right; 1 is for "it ran, and the answer is no"

_MORE_SPACE = "free some space there, or set NAMESAKE_HOME to a larger disk; what was there before is as it was"
_MORE_RIGHTS = "give this user the right to write there, or set NAMESAKE_HOME to another folder"
_SYSTEM_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _MORE_SPACE)
_SYSTEM_REMEDIES |= dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR), _MORE_RIGHTS)

# Control characters as pictures: text from a file must not be able to move the cursor or change the terminal's title.
_PICTURES: dict[int, str] = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_PICTURES |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")


class CommandError(Exception):
    """A command cannot do what was asked; says what is wrong and what to do."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}\n{remedy}")
        self.detail = detail
        self.remedy = remedy


def check_output(path: Path, *, force: bool) -> None:
    """Check that a file can be written, before the work begins that fills it; `-` is standard output.

    Args:
        path: the file.
        force: whether one that exists may be overwritten.

    Raises:
        CommandError: it cannot.
    """
    from kb.exporters.writing import STDOUT  # imported late: `--help` needs no database

    if path == STDOUT:
        return
    if path.is_dir():
        raise CommandError(f"{path} is a folder", "name a file")
    if path.exists() and not force:
        raise CommandError(f"{path} exists already", "name another file, or add --force")
    if not path.parent.is_dir():
        raise CommandError(f"{path.parent}: there is no such folder", "make it, or name another file")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file it is where the block cannot write it.

    Raises:
        CommandError: it cannot be written.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of standard output has seen enough
        raise
    except OSError as error:
        name = str(error.filename or path).removesuffix(".partial")
        remedy = "name a file where there is space, and where this user may write"
        raise CommandError(f"{name} cannot be written: {error.strerror or error}", remedy) from None


def visible(text: str) -> str:
    """Return text that is safe to print."""
    return text.translate(_PICTURES)


NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", help="Knowledge base (NAMESAKE_NAMESPACE).", show_default=False)
]


def command_settings(**overrides: Any) -> Settings:
    """Read the settings for a command, and warn on standard error about variables that are no settings."""
    for message in unknown_settings(os.environ):
        print_error("warning", message, style="yellow")
    return load_settings(**overrides)


def print_error(word: str, message: str, style: str = "bold red") -> None:
    """Print a word in colour and a message to standard error, without wrapping paths and ids."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text(f"{word}: ", style=style) + Text(visible(message), style="default"))


def explain(error: Exception) -> bool:
    """Print an error that a command may meet; return False for one that nobody expected."""
    if isinstance(error, CommandError):
        print_error("error", error.detail)
        print_error("remedy", error.remedy, style="bold")
        return True
    if isinstance(error, SettingsError):
        for line in str(error).splitlines():
            print_error("error", line)
        return True
    if is_expected(error):
        print_error("error", message_of(error))
        return True
    return _explain_system(error) or _explain_database(error)


def _explain_system(error: Exception) -> bool:
    """Explain what the operating system refuses and people can put right."""
    remedy = _SYSTEM_REMEDIES.get(error.errno or 0) if isinstance(error, OSError) else None
    if not isinstance(error, OSError) or remedy is None:
        return False
    where = f"{error.filename}: " if error.filename else ""
    print_error("error", f"{where}{error.strerror}")
    print_error("remedy", remedy, style="bold")
    return True


def _explain_database(error: Exception) -> bool:
    module = sys.modules.get("sqlalchemy.exc")
    if module is None or not isinstance(error, (module.OperationalError, module.InterfaceError)):
        return False
    first = str(error).splitlines()[0]
    print_error("error", f"The database cannot be reached: {first}")
    print_error(
        "remedy", "see that Postgres runs and that NAMESAKE_DATABASE_URL is right; `namesake doctor` says more", "bold"
    )
    return True
