"""`namesake feedback` over the starter KB, as processes: what is accepted becomes documents that `fit` reads."""

import gzip
import json
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


# As people would correct it: the name, the text, and what it means.
CORRECTED = [
    ("Lincoln", "Lincoln is the capital of Nebraska.", "Lincoln,_Nebraska"),
    ("Jordan", "Jordan won six titles with the Chicago Bulls.", "Michael_Jordan"),
    ("Java", "Java is an island of Indonesia.", "Java_(island)"),
    ("Paris", "Paris is the capital of France.", "Paris"),
    ("Omaha", "Omaha is the largest city of Nebraska.", "Omaha,_Nebraska"),
    ("Berlin", "Berlin is the capital of Germany.", "Berlin"),
    ("Mercury", "Mercury is the planet nearest to the Sun.", "Mercury_(planet)"),
    ("Saturn", "Saturn is a planet with rings.", "Saturn"),
    ("Nebraska", "Corn grows all over Nebraska.", "Nebraska"),
    ("Quill", "Yesterday Quill opened a shop.", None),
]
COPIES = 6  # of each, on other days: one page in seven is held out, whatever their numbers are


@pytest.fixture
def corrected(starter_service: Service) -> int:
    """Accepted feedback, stored so that the alias counts that other tests read stay as they are."""
    namespace = starter_service.settings.namespace
    with Session(starter_service.engine) as session, session.begin():
        session.execute(text("DELETE FROM feedback WHERE namespace = :namespace"), {"namespace": namespace})
        for day in range(COPIES):
            for name, sentence, entity in CORRECTED:
                body = f"{sentence} Day {day}."
                start = body.index(name)
                verdict = "nil" if entity is None else "entity"
                new = NewFeedback(body, start, start + len(name), verdict, entity, None, "m", 1)
                feedback.store(session, namespace, new, "key:1/a")
        session.execute(text("UPDATE feedback SET status = 'accepted', decided_by = 'key:2/b', decided_at = now()"))
    return COPIES * len(CORRECTED)


def test_fit_learns_from_what_curators_accepted(starter_home: Path, tmp_path: Path, corrected: int) -> None:
    decided, complete, weights = (tmp_path / name for name in ("feedback.jsonl.gz", "complete.jsonl", "weights.json"))
    assert run(starter_home, "feedback", "export", str(decided)).stdout == f"Wrote {corrected} documents to {decided}\n"
    mentions = [{"start": 0, "end": 6, "entity": "Berlin"}, {"start": 25, "end": 32, "entity": "Germany"}]
    row = {"id": "news/1#0", "source": "news", "text": "Berlin is the capital of Germany.", "mentions": mentions}
    complete.write_text(json.dumps(row) + "\n")
    given = ["--documents", str(decided), "--exhaustive", str(complete), "--out", str(weights), "--version", "mine-1"]
    done = run(starter_home, "fit", *given)
    assert done.returncode == 0, done.stderr
    assert f"{corrected} documents, {corrected} mentions" in done.stdout
    linked = run(starter_home, "link", "Paris is the capital of France.", "--json", NAMESAKE_SCORER=str(weights))
    assert json.loads(linked.stdout)["model_version"].startswith("mine-1+")
