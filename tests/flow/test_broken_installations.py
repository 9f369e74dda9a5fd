"""`namesake doctor` over installations that are broken in one place: that place is named, and what to do about it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.doctor import Finding, examine
from app.service import Service
from app.settings import Settings
from kb.database import RightMissing, ServerUnreachable, migrate


@pytest.fixture
def installation(starter_service: Service, tmp_path: Path) -> Settings:
    """A copy of the index in a home of its own, over the starter KB's database."""
    shutil.copytree(starter_service.settings.home / "snapshots", tmp_path / "snapshots")
    (tmp_path / "cache").symlink_to(starter_service.settings.home / "cache")
    url = starter_service.engine.url.render_as_string(hide_password=False)
    return Settings(home=tmp_path, database_url=url, port=1)


def faults(settings: Settings) -> dict[str, Finding]:
    """Return what fails, the port (which only root may listen on) and the room on the disk aside."""
    found = [finding for finding in examine(settings) if finding.check not in {"port", "disk"}]
    assert all(finding.remedy for finding in found if finding.status == "warn")
    return {finding.check: finding for finding in found if finding.status == "fail"}


def truncate(snapshot: Path) -> None:
    os.truncate(snapshot / "description_vectors.npy", 1000)


def flip(snapshot: Path) -> None:
    raw = bytearray((snapshot / "records.bin").read_bytes())
    raw[1000] ^= 0xFF
    (snapshot / "records.bin").write_bytes(raw)


def lose(snapshot: Path) -> None:
    (snapshot / "aliases.trie").unlink()


def break_manifest(snapshot: Path) -> None:
    (snapshot / "manifest.json").write_text("{")


def another_model(snapshot: Path) -> None:
    manifest = json.loads((snapshot / "manifest.json").read_text())
    manifest["model_version"] = "another-1"
    (snapshot / "manifest.json").write_text(json.dumps(manifest))


def another_name(snapshot: Path) -> None:
    snapshot.rename(snapshot.with_name("elsewhere"))


def remove(snapshot: Path) -> None:
    shutil.rmtree(snapshot.parent)


BREAKAGES: list[tuple[Callable[[Path], None], str]] = [
    (truncate, "description_vectors.npy has 1000 bytes"),
    (flip, "records.bin does not have the hash"),
    (lose, "aliases.trie"),
    (break_manifest, "manifest.json is damaged"),
    (another_model, "was built for model another-1"),
    (another_name, "holds no snapshot"),
    (remove, "No snapshot has been built yet"),
]


def test_an_installation_that_works_has_no_fault(installation: Settings) -> None:
    assert faults(installation) == {}


@pytest.mark.parametrize(("damage", "said"), BREAKAGES, ids=[damage.__name__ for damage, _ in BREAKAGES])
def test_a_broken_index_is_named(installation: Settings, damage: Callable[[Path], None], said: str) -> None:
    folder = installation.home / "snapshots" / installation.namespace
    damage(folder / (folder / "CURRENT").read_text().strip())
    found = faults(installation)
    assert set(found) == {"index"}
    assert said in found["index"].detail
    assert "namesake index build" in found["index"].remedy


def test_a_wrong_encoder_is_named_once(installation: Settings) -> None:
    found = faults(installation.model_copy(update={"encoder_sha256": "0" * 64}))
    assert set(found) == {"encoder"}
    assert "NAMESAKE_ENCODER" in found["encoder"].remedy


def test_a_database_that_does_not_exist_is_named(installation: Settings, starter_service: Service) -> None:
    url = starter_service.engine.url.set(database="no_such_database").render_as_string(hide_password=False)
    found = faults(installation.model_copy(update={"database_url": url}))
    assert set(found) == {"database"}
    assert 'database "no_such_database" does not exist' in found["database"].detail
    with pytest.raises(ServerUnreachable):
        migrate(url)


def test_a_user_without_rights_is_told_so(installation: Settings, starter_service: Service) -> None:
    with guest_database(starter_service) as url:
        found = faults(installation.model_copy(update={"database_url": url}))
        assert set(found) == {"database"}
        assert "GRANT" in found["database"].detail
        with pytest.raises(RightMissing):
            migrate(url)


@contextmanager
def guest_database(service: Service) -> Iterator[str]:
    """Make a database with a user who may only look."""
    with service.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
        connection.execute(text("CREATE DATABASE guest TEMPLATE template0 ENCODING 'UTF8'"))
        try:
            yield service.engine.url.set(username="guest", database="guest").render_as_string(hide_password=False)
        finally:
            connection.execute(text("DROP DATABASE guest WITH (FORCE)"))
            connection.execute(text("DROP ROLE guest"))


def test_an_empty_knowledge_base_is_named(installation: Settings) -> None:
    found = faults(installation.model_copy(update={"namespace": "nothing"}))
    assert set(found) == {"knowledge base"}
    assert "NAMESAKE_NAMESPACE" in found["knowledge base"].remedy
