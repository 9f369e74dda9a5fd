"""`namesake weak-label` over the starter knowledge base."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "wiki/Angela_Merkel#0",
        "source": "wiki",
        "text": "Angela Merkel was chancellor of Germany. In Germany, Merkel led the CDU.",
        "mentions": [{"start": 32, "end": 39, "entity": "Germany", "kind": "anchor", "note": "kept"}],
    },
    {"id": "news/1#0", "source": "news", "page": "none", "text": "Angela Merkel spoke.", "mentions": [], "more": [1]},
]


def write(path: Path, rows: list[Any]) -> Path:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def weak_label(starter_home: Path, tmp_path: Path) -> Any:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app", "weak-label", *arguments]
        env = {"NAMESAKE_HOME": str(starter_home), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
        env["PYTHONPATH"] = str(Path(__file__).parents[2])
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_labels_are_added_and_everything_else_is_kept(weak_label: Any, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl.gz", DOCUMENTS)
    done = weak_label("in.jsonl.gz", "--out", "out.jsonl.gz")
    assert done.returncode == 0, done.stderr
    merkel, news = read(tmp_path / "out.jsonl.gz")
    weak = [(merkel["text"][m["start"] : m["end"]], m["entity"]) for m in merkel["mentions"] if m["kind"] == "weak"]
    assert weak == [("Angela Merkel", "Angela_Merkel"), ("Germany", "Germany"), ("Merkel", "Angela_Merkel")]
    assert merkel["mentions"][1] == DOCUMENTS[0]["mentions"][0]
    assert merkel | {"mentions": None} == DOCUMENTS[0] | {"mentions": None}
    assert news == DOCUMENTS[1] | {"mentions": [{"start": 0, "end": 13, "entity": "Angela_Merkel", "kind": "weak"}]}
    assert "2 documents, 1 of them from pages about an entity" in done.stdout
    assert "words linked elsewhere in the document" in done.stdout
    assert "the links of 1 documents were hidden" in " ".join(done.stdout.split())
    assert "labelling: 2 of 2" in done.stderr
    # The same again gives the same file.
    first = (tmp_path / "out.jsonl.gz").read_bytes()
    assert weak_label("in.jsonl.gz", "--out", "out.jsonl.gz", "--overwrite").returncode == 0
    assert (tmp_path / "out.jsonl.gz").read_bytes() == first
    assert read(source) == DOCUMENTS


def test_sources_and_plain_files_and_no_estimate(weak_label: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", DOCUMENTS[:1])
    write(tmp_path / "b.jsonl", DOCUMENTS[1:])
    done = weak_label("a.jsonl", "b.jsonl", "--out", "out.jsonl", "--source", "news", "--sample", "0")
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == ["news/1#0"]
    assert "hidden" not in done.stdout


def test_a_file_that_exists_is_kept(weak_label: Any, tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", DOCUMENTS)
    (tmp_path / "out.jsonl").write_text("mine")
    done = weak_label("in.jsonl", "--out", "out.jsonl")
    assert (done.returncode, "exists already" in done.stderr, "--force" in done.stderr) == (2, True, True)
    assert (tmp_path / "out.jsonl").read_text() == "mine"


def test_mistakes_are_told_and_nothing_is_left(weak_label: Any, tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", DOCUMENTS)
    write(tmp_path / "bad.jsonl", [DOCUMENTS[0], {"id": "x", "text": "a", "mentions": [{"start": 0, "end": 9}]}])
    for arguments, words in (
        (("bad.jsonl",), ["bad.jsonl, line 2", "mentions[0]", "do not fit"]),
        (("none.jsonl",), ["none.jsonl: cannot be read"]),
        (("in.jsonl", "in.jsonl"), ["document id 'wiki/Angela_Merkel#0' is also in in.jsonl"]),
        (("in.jsonl", "--source", "web"), ["There are no documents to label", "--source"]),
        (("in.jsonl", "--person", "alien"), ["has no type 'alien'"]),
    ):
        done = weak_label(*arguments, "--out", "out.jsonl")
        assert done.returncode == 2, done.stdout
        assert all(word in done.stderr for word in words), done.stderr
        assert "remedy:" in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "in.jsonl"]
    for out, word in (("out.txt", "another ending"), ("no/out.jsonl", "no such folder")):
        done = weak_label("in.jsonl", "--out", out)
        assert (done.returncode, word in done.stderr) == (2, True)


def test_without_an_index_it_says_what_to_do(weak_label: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in.jsonl", DOCUMENTS)
    env = {"NAMESAKE_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "app", "weak-label", "in.jsonl", "--out", "out.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "namesake index build" in done.stderr) == (2, True)
