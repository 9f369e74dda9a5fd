"""`namesake link`: link a text, or a file, and show it on the terminal or as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from app.schemas.requests import AnnotateOne
    from app.settings import Settings

FILE_HELP = "Read the text from this UTF-8 file; - reads standard input."


def link(
    text: Annotated[
        str | None, typer.Argument(help="The text to link; - reads standard input.", show_default=False)
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help=FILE_HELP, show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer of POST /v1/annotate.")] = False,
    candidates: Annotated[
        int, typer.Option(min=0, max=30, help="Candidates to show for each mention, with features.")
    ] = 0,
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Leave out links below this probability.")] = 0.0,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only entities of this type; may be repeated.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language of the text, such as en.", show_default=False)] = None,
    namespace: Annotated[str | None, typer.Option(help="Knowledge base to link to.", show_default=False)] = None,
) -> None:
    """Link the names in a text to entities of the knowledge base.

    Example:
    namesake link "Jordan won six titles with the Chicago Bulls."
    """
    settings = command_settings(namespace=namespace)
    source = _read(text, file, settings)
    options = {"candidates": candidates, "min_confidence": min_confidence, "types": types or [], "language": language}
    answer = _answer(settings, _request(source, options))
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    from app.show import show_answer

    show_answer(source, answer)


def _read(text: str | None, file: Path | None, settings: Settings) -> str:
    """Return the text to link.

    Raises:
        CommandError: none, two, or one that cannot be read.
    """
    if text == "-" and file is None:  # as other commands have it
        text, file = None, Path("-")
    if (text is None) == (file is None):
        detail = "There is no text to link" if text is None else "There is a text and a file"
        raise CommandError(
            detail, 'give one of them: namesake link "text", or namesake link --file FILE (- for standard input)'
        )
    if file is None:
        found = text or ""
    elif str(file) == "-":
        found = _decode(sys.stdin.buffer.read(), "standard input")
    else:
        found = _decode(_read_bytes(file, settings), str(file))
    if not found:
        raise CommandError("The text is empty", "give a text with at least one character")
    return found


def _read_bytes(file: Path, settings: Settings) -> bytes:
    longest = 4 * settings.max_text_chars  # a code point takes at most 4 bytes
    try:
        if file.stat().st_size > longest:
            detail = f"{file} has {file.stat().st_size} bytes; a text has at most {settings.max_text_chars} code points"
            raise CommandError(detail, "split the file, or raise NAMESAKE_MAX_TEXT_CHARS")
        return file.read_bytes()
    except FileNotFoundError:
        raise CommandError(f"There is no file {file}", "check the path") from None
    except IsADirectoryError:
        raise CommandError(f"{file} is a directory", "name one file") from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", "check the path and who may read it") from None


def _decode(raw: bytes, name: str) -> str:
    try:
        # A byte order mark says how the file is encoded and is no part of the text.
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        detail = f"{name} is not UTF-8: byte {error.start} (line {line}) is 0x{raw[error.start]:02x}"
        raise CommandError(detail, "convert it first, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE") from None


def _request(text: str, options: dict[str, Any]) -> AnnotateOne:
    from pydantic import ValidationError

    from app.schemas.requests import AnnotateOne

    try:
        return AnnotateOne(text=text, **options)
    except ValidationError as error:
        item = error.errors()[0]
        remedy = str(item.get("ctx", {}).get("remedy", "see `namesake link --help`"))
        raise CommandError(f"{'.'.join(map(str, item['loc']))}: {item['msg']}", remedy) from None


def _answer(settings: Settings, request: AnnotateOne) -> dict[str, Any]:
    from app.answers import build_answer, check_types
    from app.documents import read_batch
    from app.errors import ProblemError
    from app.service import open_service

    try:
        batch = read_batch(request, settings)
        with open_service(settings, build=True) as service:
            check_types(request, service)
            linked = service.linker.link(batch.documents, batch.options)
            return build_answer(request, batch, linked, service)
    except ProblemError as error:
        first = error.errors[0]
        raise CommandError(f"{first.field}: {first.detail}", first.remedy) from None
