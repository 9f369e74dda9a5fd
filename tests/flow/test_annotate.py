"""`namesake annotate`: files in, files out, whole and in order whatever happens on the way."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet
import pytest

if TYPE_CHECKING:
    from app.service import Service

TEXTS = [
    "Lincoln is the capital of Nebraska.",
    "Java is an island of Indonesia.",
    "Mercury is the planet nearest the Sun.",
    "Nothing is named here.",
]
Answers = list[dict[str, Any]]


def command(service: Service, *arguments: object) -> tuple[list[str], dict[str, str]]:
    env = os.environ | {"NAMESAKE_HOME": str(service.settings.home)}
    return [sys.executable, "-m", "app", "annotate", *map(str, arguments)], env


def annotate(service: Service, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    line, env = command(service, *arguments)
    return subprocess.run(line, env=env, input=stdin, capture_output=True, text=True, check=False)


def lines(count: int) -> str:
    rows = ({"id": f"d{number}", "text": TEXTS[number % len(TEXTS)]} for number in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(path: Path) -> Answers:
    return [json.loads(line) for line in path.read_text().splitlines()]


def entities(answer: dict[str, Any]) -> list[str | None]:
    return [mention["entity"] and mention["entity"]["id"] for mention in answer["mentions"]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text(lines(8))
    return path


@pytest.fixture
def expected(starter_service: Service, source: Path, tmp_path: Path) -> Answers:
    result = annotate(starter_service, source, tmp_path / "expected.jsonl")
    assert result.returncode == 0, result.stderr
    assert "8 documents, 0 rejected; " in result.stdout
    assert "Most frequent entities:" in result.stdout
    return read(tmp_path / "expected.jsonl")


def test_answers_are_those_of_the_api_in_order(starter_service: Service, expected: Answers, tmp_path: Path) -> None:
    assert [answer["id"] for answer in expected] == [f"d{number}" for number in range(8)]
    assert "Java_(island)" in entities(expected[1])
    assert "Mercury_(planet)" in entities(expected[2])
    assert expected[3]["mentions"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected.jsonl", "in.jsonl"]


def as_csv(folder: Path) -> Path:
    with (folder / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *((f"d{n}", TEXTS[n % 4]) for n in range(8))])
    return folder / "in.csv"


def as_parquet(folder: Path) -> Path:
    rows = [{"id": f"d{number}", "text": TEXTS[number % 4]} for number in range(8)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "in.parquet")
    return folder / "in.parquet"


def as_gzip(folder: Path) -> Path:
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(lines(8).encode()))
    return folder / "packed.jsonl.gz"


def as_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "in.zip", "w") as archive:
        for number in range(8):
            archive.writestr(f"d{number}.txt", TEXTS[number % 4])
    return folder / "in.zip"


def as_folder(folder: Path) -> Path:
    (folder / "texts").mkdir()
    for number in range(8):
        (folder / "texts" / f"d{number}.txt").write_text(TEXTS[number % 4])
    return folder / "texts"


@pytest.mark.parametrize("make", [as_csv, as_parquet, as_gzip, as_zip, as_folder])
def test_every_format_gives_the_same(starter_service: Service, expected: Answers, tmp_path: Path, make: Any) -> None:
    result = annotate(starter_service, make(tmp_path), tmp_path / "out.jsonl")
    assert result.returncode == 0, result.stderr
    found = read(tmp_path / "out.jsonl")
    assert [answer["id"].removesuffix(".txt") for answer in found] == [answer["id"] for answer in expected]
    assert [answer["mentions"] for answer in found] == [answer["mentions"] for answer in expected]


def test_pipes_and_several_workers_give_the_same(
    starter_service: Service, source: Path, expected: Answers, tmp_path: Path
) -> None:
    piped = annotate(starter_service, "-", "-", stdin=source.read_text())
    assert [json.loads(line) for line in piped.stdout.splitlines()] == expected
    result = annotate(starter_service, source, tmp_path / "out.jsonl", "--workers", 2)
    assert result.returncode == 0, result.stderr
    assert read(tmp_path / "out.jsonl") == expected


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_have_a_row_for_each_mention(
    starter_service: Service, source: Path, expected: Answers, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"out.{ending}"
    result = annotate(starter_service, source, out)
    assert result.returncode == 0, result.stderr
    if ending == "csv":
        with out.open(newline="") as file:
            rows = [(row["document"], int(row["start"]), row["entity"] or None) for row in csv.DictReader(file)]
    else:
        table = pyarrow.parquet.read_table(out).to_pylist()
        rows = [(row["document"], row["start"], row["entity"]) for row in table]
    assert rows == [
        (answer["id"], mention["start"], entity)
        for answer in expected
        for mention, entity in zip(answer["mentions"], entities(answer), strict=True)
    ]


def test_what_cannot_be_read_is_kept_apart(starter_service: Service, tmp_path: Path) -> None:
    rows = ['{"id": "a", "text": "Paris"}', "{", '{"id": "b"}', '{"text": 7}', '{"id": "c", "text": "Rome"}']
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    result = annotate(starter_service, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert result.returncode == 0, result.stderr
    assert "2 documents, 3 rejected" in result.stdout
    assert [answer["id"] for answer in read(tmp_path / "out.jsonl")] == ["a", "c"]
    rejects = read(tmp_path / "out.jsonl.rejects.jsonl")
    assert [reject["position"] for reject in rejects] == [1, 2, 3]
    assert rejects[0]["place"] == "line 2"
    assert all(error["remedy"] for reject in rejects for error in reject["errors"])


def test_an_output_is_not_overwritten_unasked(starter_service: Service, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    result = annotate(starter_service, source, out)
    assert result.returncode == 2
    assert "exists already" in result.stderr
    assert "--force" in result.stderr
    assert out.read_text() == "mine"
    assert annotate(starter_service, source, out, "--force").returncode == 0
    assert len(read(out)) == 8


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("in.csv", b"a,b\n1,2\n", "there is no column text, only a, b"),
        ("in.parquet", b"PAR1", "not Parquet, or damaged"),
        ("in.jsonl.gz", gzip.compress(lines(50).encode())[:60], "cut off or damaged"),
        ("in.zip", b"PK", "not a zip, or damaged"),
        ("in.doc", b"x", "does not say what it is"),
    ],
)
def test_files_that_cannot_be_read_are_told(
    starter_service: Service, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = annotate(starter_service, tmp_path / name, tmp_path / "out.jsonl")
    assert result.returncode == 2
    assert told in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_killed_at_any_moment_it_goes_on(starter_service: Service, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(lines(1500))
    line, env = command(starter_service, source, out, "--workers", 1)
    kills = 0
    while not out.exists():
        journal = tmp_path / "out.jsonl.journal"
        before = journal.stat().st_size if journal.exists() else 0
        process = subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and kills < 3:
            if journal.exists() and journal.stat().st_size > before + 150:
                time.sleep(0.02 * kills)
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.005)
        _, told = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), told
    assert kills >= 2
    found = read(out)
    assert [answer["id"] for answer in found] == [f"d{number}" for number in range(1500)]
    assert (
        [a["mentions"] for a in found[:4]] == [a["mentions"] for a in found[4:8]] == [a["mentions"] for a in found[-4:]]
    )


def test_other_options_do_not_go_on_with_what_was_left(starter_service: Service, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    (tmp_path / "out.jsonl.journal").write_text('{"options":"others"}\n')
    result = annotate(starter_service, source, out)
    assert result.returncode == 2
    assert "--force begins anew" in " ".join(result.stderr.split())
    assert annotate(starter_service, source, out, "--force").returncode == 0
    assert len(read(out)) == 8
