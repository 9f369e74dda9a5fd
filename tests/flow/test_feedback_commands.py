"""`namesake feedback` over the starter KB, as processes: what is accepted becomes documents that `fit` reads."""

import gzip
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_api_commands import run

from app.service import Service
from kb import feedback
from kb.feedback import NewFeedback
from model.evaluation.corpus import KINDS
from model.evaluation.corpus_lines import check_row, decode_line, open_lines

SAID = "The 🏙 of Lincoln named for Zora Quill."


@pytest.fixture
def accepted(starter_service: Service) -> None:
    """Two verdicts on one text, of which neither changes the knowledge base."""
    namespace = starter_service.settings.namespace
    with Session(starter_service.engine) as session, session.begin():
        session.execute(text("DELETE FROM feedback WHERE namespace = :namespace"), {"namespace": namespace})
        for start, end, verdict in ((27, 37, "nil"), (0, 3, "no_mention")):
            new = NewFeedback(SAID, start, end, "nil" if verdict == "nil" else "no_mention", None, None, "m", 1)
            stored, _ = feedback.store(session, namespace, new, "key:1/a")
            feedback.accept(session, namespace, stored.id, "key:2/b", None)


@pytest.mark.usefixtures("accepted")
@pytest.mark.parametrize("name", ["feedback.jsonl", "feedback.jsonl.gz"])
def test_export_writes_documents_that_can_be_read(starter_home: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    done = run(starter_home, "feedback", "export", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Wrote 1 documents to {file}\n"
    ((_, line),) = open_lines(file)
    row = check_row(decode_line(line, "line 1"), "line 1", frozenset(KINDS))
    assert (row.text, row.source, row.text[row.mentions[0].start : row.mentions[0].end]) == (
        SAID,
        "feedback",
        "Zora Quill",
    )
    assert [mention.entity for mention in row.mentions] == [None]
    again = run(starter_home, "feedback", "export", str(file))
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert run(starter_home, "feedback", "export", str(file), "--force").returncode == 0
    shown = run(starter_home, "feedback", "export", "-")
    assert shown.stdout.encode() == (gzip.decompress(file.read_bytes()) if name.endswith("gz") else file.read_bytes())
    assert shown.stderr == "Wrote 1 documents to standard output\n"


@pytest.mark.usefixtures("accepted")
def test_what_cannot_be_done_is_told(starter_home: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("export", str(tmp_path / "feedback.csv")), "name a file .jsonl"),
        (("export", str(tmp_path / "missing" / "a.jsonl")), "there is no such folder"),
        (("prune", "--days", "0"), "--days"),
    ):
        done = run(starter_home, "feedback", *arguments)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("accepted")
def test_prune_deletes_what_is_old(starter_home: Path, starter_service: Service) -> None:
    assert run(starter_home, "feedback", "prune").stdout == "0 texts deleted\n"
    with starter_service.engine.begin() as connection:
        connection.execute(text("UPDATE feedback SET created_at = now() - interval '400 days'"))
    assert run(starter_home, "feedback", "prune").stdout == "2 texts deleted\n"
