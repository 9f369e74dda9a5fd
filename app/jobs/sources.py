"""Documents that a job reads where they are: which paths and URLs it may, and how a URL is fetched."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import SplitResult, unquote, urlsplit

from app.settings import Settings

TIMEOUT_SECONDS = 60.0
BLOCK_BYTES = 1 << 20
SETTING = "NAMESAKE_JOB_SOURCES"


class SourceRefused(ValueError):  # noqa: N818
    """Documents cannot be read from there.

    Attributes:
        detail: what is wrong with it.
        remedy: what to do.
    """

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}: {remedy}")
        self.detail = detail
        self.remedy = remedy


def is_url(source: str) -> bool:
    """Say whether a source is a URL rather than a path."""
    return "://" in source


def check_source(source: str, settings: Settings) -> Path | None:
    """Check that a job may read a source, and return its path; None for a URL.

    A path may have no symbolic link below the allowed folder: what it leads to would be read with the worker's rights.
    The same answer for whatever is outside tells nobody what is there.

    Raises:
        SourceRefused: it may not, or there is nothing.
    """
    allowed = [item.strip() for item in (settings.job_sources or "").split(",") if item.strip()]
    if is_url(source):
        if not any(_below(source, prefix) for prefix in allowed if is_url(prefix)):
            raise _not_allowed(source)
        return None
    path = Path(source)
    folders = [Path(item) for item in allowed if not is_url(item)]
    folder = next((item for item in folders if path.is_relative_to(item)), None)
    if "\0" in source or ".." in path.parts or folder is None:
        raise _not_allowed(source)
    real = folder.resolve() / path.relative_to(folder)
    for part in [real, *real.parents][: len(path.relative_to(folder).parts)]:
        if part.is_symlink():
            raise SourceRefused(f"{source} leads over a symbolic link", "name the file itself")
    if real.is_dir():
        linked = next((item for item in sorted(real.rglob("*")) if item.is_symlink()), None)
        if linked is not None:
            raise SourceRefused(f"{linked} is a symbolic link", "put the file itself there")
    elif not real.is_file():
        raise SourceRefused(f"there is no file {source}", "name a file or a folder that is there")
    return real


def stamp_of(path: Path) -> str:
    """Return what changes when a file, or one in a folder, is written: sizes and times of all."""
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    digest = hashlib.blake2b(digest_size=16)
    for item in files:
        about = item.stat()
        digest.update(f"{item}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def fetch(url: str, file: BinaryIO, settings: Settings) -> None:
    """Write what is at a URL to a file. A redirect is not followed: it could lead to where the job may not read.

    Raises:
        SourceRefused: it cannot be read, or not as a whole, or is too large.
    """
    check_source(url, settings)
    try:
        with urllib.request.build_opener(_NoRedirect).open(url, timeout=TIMEOUT_SECONDS) as answer:
            announced = answer.headers.get("Content-Length")
            for block in _blocks(answer):
                file.write(block)
                if file.tell() > settings.job_max_bytes:
                    detail = f"{url} has more than {settings.job_max_bytes} bytes"
                    raise SourceRefused(detail, "split it, or raise NAMESAKE_JOB_MAX_BYTES on the server")
            if announced is not None and int(announced) != file.tell():
                raise SourceRefused(f"{url} was cut off after {file.tell()} of {announced} bytes", "retry the job")
    except urllib.error.HTTPError as error:
        raise SourceRefused(f"{url} answers {error.code}", "see that it can be read without a login") from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceRefused(f"{url} cannot be read: {reason}", "see that it is right, and retry the job") from None


def _blocks(answer: Any) -> Iterator[bytes]:
    while block := answer.read(BLOCK_BYTES):
        yield block


def _below(url: str, prefix: str) -> bool:
    """Say whether a URL is that of a prefix or below it, read the way that the most careless server may read it."""
    try:
        given, allowed = urlsplit(url), urlsplit(prefix)
        same = _place(given) == _place(allowed)
    except ValueError:
        return False
    path = unquote(given.path)
    odd = ".." in path.split("/") or "%2e" in path.lower() or "\\" in path or given.username is not None
    odd |= any(ord(character) <= 32 for character in unquote(url))
    folder = allowed.path.rstrip("/") + "/"
    return same and not odd and not given.fragment and (path == allowed.path or path.startswith(folder))


def _place(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme.lower(), url.hostname, url.port or (443 if url.scheme.lower() == "https" else 80)


def _not_allowed(source: str) -> SourceRefused:
    remedy = f"upload the documents, or have whoever runs the server allow it with {SETTING}"
    return SourceRefused(f"{source} is not among what jobs may read", remedy)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: what comes is an error like any other."""
