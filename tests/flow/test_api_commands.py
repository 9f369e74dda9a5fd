"""The commands over the starter KB, as processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.examples import JORDAN

NAMESAKE = str(Path(sys.executable).parent / "namesake")


def run(home: Path, *arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {"NAMESAKE_HOME": str(home), "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"} | settings
    done = subprocess.run([NAMESAKE, *arguments], input=stdin, env=env, capture_output=True, timeout=120, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.usefixtures("starter_service")
def test_link_shows_what_a_name_means(starter_home: Path) -> None:
    done = run(starter_home, "link", JORDAN, "--candidates", "2")
    assert done.returncode == 0, done.stderr
    for expected in (JORDAN, "Arab kingdom", "country", "Candidates of Jordan", "Jordan_River"):
        assert expected in done.stdout


@pytest.mark.usefixtures("starter_service")
def test_link_reads_a_file_and_prints_json(starter_home: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("🚀 e\u0301 " + JORDAN, encoding="utf-8")
    done = run(starter_home, "link", "--file", str(tmp_path / "text"), "--json")
    mentions = json.loads(done.stdout)["mentions"]
    assert done.returncode == 0
    assert (mentions[0]["text"], mentions[0]["start"]) == ("Jordan", 5)


@pytest.mark.usefixtures("starter_service")
def test_link_and_index_take_a_knowledge_base(starter_home: Path, tmp_path: Path) -> None:
    ship = {"id": "Vasa", "label": "Vasa", "description": "Swedish warship that sank on her maiden voyage"}
    (tmp_path / "ships.jsonl").write_text(json.dumps(ship))
    where = ("--namespace", "ships")
    assert run(starter_home, "kb", "import", str(tmp_path / "ships.jsonl"), *where).returncode == 0
    linked = run(starter_home, "link", "The warship Vasa sank.", "--json", *where)
    assert linked.returncode == 0, linked.stderr
    assert [mention["entity"]["id"] for mention in json.loads(linked.stdout)["mentions"]] == ["Vasa"]
    built = run(starter_home, "index", "build", *where)
    assert f"{starter_home}/snapshots/ships/" in built.stdout
    status = json.loads(run(starter_home, "index", "status", "--json", *where).stdout)
    assert (status["namespace"], status["entities"]) == ("ships", 1)
    assert "1 entities" in run(starter_home, "index", "verify", *where).stdout
    empty = run(starter_home, "link", "The warship Vasa sank.", "--namespace", "nowhere")
    assert empty.returncode == 2
    assert "The knowledge base nowhere has no entities" in empty.stderr
    assert run(starter_home, "link", "Vasa", "--namespace", "a/b").returncode == 2


@pytest.mark.usefixtures("starter_service")
def test_commands_work_on_the_knowledge_base_that_is_named(starter_home: Path, tmp_path: Path) -> None:
    where = ("--namespace", "boats")
    (tmp_path / "boats.jsonl").write_text(json.dumps({"id": "Fram", "label": "Fram"}))
    document = {"id": "d", "text": "The Fram froze.", "mentions": [{"start": 4, "end": 8, "entity": "Fram"}]}
    (tmp_path / "links.jsonl").write_text(json.dumps(document))
    assert run(starter_home, "kb", "import", str(tmp_path / "boats.jsonl"), *where).returncode == 0
    assert json.loads(run(starter_home, "kb", "stats", "--json", *where).stdout)["entities"] == 1
    counted = run(starter_home, "kb", "import-counts", str(tmp_path / "links.jsonl"), *where)
    assert "1 links to 1 entities" in counted.stdout, counted.stderr
    assert json.loads(run(starter_home, "kb", "export", "-", *where).stdout)["popularity"] == 1
    made = run(starter_home, "keys", "create", "--role", "reader", *where)
    assert "reader of the knowledge base boats" in made.stderr
    listed = json.loads(run(starter_home, "keys", "list", "--json", *where).stdout)
    assert {key["namespace"] for key in listed if key["namespace"]} == {"boats"}
    both = run(starter_home, "keys", "create", "--role", "reader", "--all-namespaces", *where)
    assert both.returncode == 2
    assert "--all-namespaces and --namespace exclude each other" in both.stderr
    assert "0 documents" in run(starter_home, "feedback", "export", str(tmp_path / "said.jsonl"), *where).stdout
    assert "0 texts" in run(starter_home, "feedback", "prune", "--days", "1", *where).stdout
    findings = json.loads(run(starter_home, "doctor", "--json", *where).stdout)["findings"]
    (found,) = [finding["detail"] for finding in findings if finding["check"] == "knowledge base"]
    assert found.startswith("boats has 1 entities")


@pytest.mark.usefixtures("starter_service")
def test_doctor_finds_nothing_wrong(starter_home: Path) -> None:
    done = run(starter_home, "doctor", "--json")
    report = json.loads(done.stdout)
    findings = {finding["check"]: finding for finding in report["findings"]}
    assert all(
        findings[name]["status"] == "ok" for name in ("database", "extensions", "knowledge base", "index", "link")
    )
    assert done.returncode == (0 if report["ok"] else 1)


@pytest.mark.usefixtures("starter_service")
def test_db_status_says_what_runs(starter_home: Path) -> None:
    status = json.loads(run(starter_home, "db", "status", "--json").stdout)
    assert (status["kind"], status["running"]) == ("embedded", True)
    assert status["revision"]
