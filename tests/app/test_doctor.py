"""`namesake doctor` names what is wrong and what to do; one broken part does not hide the others."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app import doctor
from app.commands.serve import open_listener
from app.doctor import Finding
from app.settings import Settings

NOWHERE = "postgresql://me:hunter2@127.0.0.1:1/none"
Check = Callable[[Settings], Any]


def settings_for(home: Path, **others: Any) -> Settings:
    return Settings(home=home, database_url=NOWHERE, **others)


def only(findings: Any) -> Finding:
    (found,) = list(findings)
    assert isinstance(found, Finding)
    assert found.status == "ok" or found.remedy
    return found


def test_all_checks_are_made_even_when_some_fail(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in doctor.examine(settings_for(tmp_path, port=free_port()))}
    assert found["database"].status == "fail"
    assert "hunter2" not in str(found)
    assert "check that the server runs" in found["database"].detail
    for name in ("python", "torch", "onnxruntime", "faiss", "encoder", "home", "port"):
        assert found[name].status == "ok", found[name]


def free_port() -> int:
    with open_listener("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def test_a_check_that_breaks_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: 1 / 0)
    found = {finding.check: finding for finding in doctor.examine(settings_for(tmp_path))}
    assert found["disk"].status == "fail"
    assert "ZeroDivisionError" in found["disk"].detail
    assert "port" in found


def test_a_damaged_encoder_is_named(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("x")
    finding = only(doctor._encoder(settings_for(tmp_path, encoder=str(tmp_path))))
    assert finding.status == "fail"
    assert "sha256" in finding.detail
    missing = only(doctor._encoder(settings_for(tmp_path, encoder=str(tmp_path / "none"))))
    assert missing.status == "fail"


def test_a_home_that_is_a_file_or_not_writable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    assert only(doctor._home(settings_for(tmp_path / "file"))).status == "fail"
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = only(doctor._home(settings_for(tmp_path)))
    assert "not writable" in finding.detail
    assert "NAMESAKE_HOME" in finding.remedy


def test_root_is_told_that_postgres_cannot_reach_a_private_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "private").mkdir(mode=0o700)
    embedded = Settings(home=tmp_path / "private" / "home", database_url=None)
    finding = only(doctor._home(embedded))
    assert finding.status == "fail"
    assert "/var/lib/namesake" in finding.remedy


@pytest.mark.parametrize(("free", "status"), [(10**8, "fail"), (2 * 10**9, "warn"), (10**11, "ok")])
def test_little_space_is_a_warning_and_none_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert only(doctor._disk(settings_for(tmp_path))).status == status


def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_listener("127.0.0.1", 0) as taken:
        monkeypatch.setattr(doctor, "_answers", lambda _: False)
        finding = only(doctor._port(settings_for(tmp_path, port=taken.getsockname()[1])))
        assert (finding.status, "NAMESAKE_PORT" in finding.remedy) == ("fail", True)
        monkeypatch.setattr(doctor, "_answers", lambda _: True)
        assert only(doctor._port(settings_for(tmp_path, port=taken.getsockname()[1]))).status == "ok"


def test_a_missing_package_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", {"no_such_module": "no-such-package"})
    finding = next(iter(doctor._packages(settings_for(tmp_path))))
    assert (finding.status, finding.remedy) == ("fail", 'pip install "no-such-package"')
