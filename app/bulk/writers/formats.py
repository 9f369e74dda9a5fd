"""The formats that `namesake annotate` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from app.terminal import CommandError

Json = dict[str, Any]
OutputFormat = Literal["jsonl", "csv", "parquet", "conll", "brat", "w3c", "nif", "docbin"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        writer: `module:function` in this folder. The function takes documents as answers have them; where the format
            `streams` it yields the file's bytes, else it is also given the path to write to.
        endings: how the names of such files end; none where no ending is usual.
        needs_text: documents must have their `text`, too.
        streams: the file can be printed as it grows.
        package: what must be installed beside Namesake itself.
    """

    writer: str
    endings: tuple[str, ...]
    needs_text: bool = True
    streams: bool = True
    package: str | None = None


FORMATS: dict[OutputFormat, Format] = {
    "jsonl": Format("json_lines:json_lines", (".jsonl", ".ndjson"), needs_text=False),
    "csv": Format("tables:csv_rows", (".csv",), needs_text=False),
    "parquet": Format("tables:write_parquet", (".parquet",), needs_text=False, streams=False),
    "conll": Format("conll:conll_lines", (".conll",)),
    "brat": Format("brat:write_brat", (), streams=False),
    "w3c": Format("web_annotations:web_annotations", (".jsonld",)),
    "nif": Format("nif:nif_blocks", (".ttl",)),
    "docbin": Format("docbin:write_docbin", (".spacy",), streams=False, package="spacy"),
}


def format_of(path: Path) -> OutputFormat | None:
    """Return the format that the ending of a file's name says; None where it says none."""
    return next((name for name, how in FORMATS.items() if path.suffix.lower() in how.endings), None)


def check_format(kind: OutputFormat, *, printed: bool) -> None:
    """Look whether a format can be written.

    Args:
        kind: the format.
        printed: it is to go to standard output.

    Raises:
        CommandError: it cannot.
    """
    how = FORMATS[kind]
    if printed and not how.streams:
        others = ", ".join(name for name, other in FORMATS.items() if other.streams)
        raise CommandError(f"The format {kind} cannot be printed", f"name a file as OUT, or print one of {others}")
    if how.package is not None and find_spec(how.package) is None:
        detail = f"The format {kind} needs the package {how.package}, which is not installed"
        raise CommandError(detail, f'pip install "namesake-ned[{how.package}]"')


def stream(kind: OutputFormat, documents: Iterator[Json]) -> Iterator[bytes]:
    """Yield the bytes of a file in a format that streams."""
    pieces: Iterator[bytes] = _writer(kind)(documents)
    return pieces


def write(kind: OutputFormat, documents: Iterator[Json], to: Path) -> None:
    """Write a file.

    Raises:
        OSError: the disk is full, say.
    """
    if FORMATS[kind].streams:
        with to.open("wb") as file:
            file.writelines(stream(kind, documents))
    else:
        _writer(kind)(documents, to)


def _writer(kind: OutputFormat) -> Callable[..., Any]:
    # A format's module is loaded when it is needed: some load large libraries.
    module, _, function = FORMATS[kind].writer.partition(":")
    writer: Callable[..., Any] = getattr(import_module(f"app.bulk.writers.{module}"), function)
    return writer
