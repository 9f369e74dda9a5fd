"""`namesake annotate --engine ray`: the answers of the local engine, whatever process is killed on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow
import pyarrow.parquet
import pytest

from app.bulk.partitions import TRIES, KilledAgain, Partitions
from app.bulk.parts import cut_into_parts
from app.jobs.reading import Columns

if TYPE_CHECKING:
    from app.service import Service

TEXTS = [
    "Lincoln is the capital of Nebraska, and Java is an island of Indonesia. " * 4,
    "Mercury is the planet nearest the Sun.",
    "Nothing is named here.",
]
FILES, EACH = 6, 150
BAD = '{"id": "bad"}'
OPTIONS: dict[str, Any] = {"candidates": 0, "min_confidence": 0.0, "types": []}
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray: the extra is not installed")


@pytest.fixture
def environment(starter_service: Service) -> Iterator[dict[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # sockets are there, whose paths must be short
    (folder / "token").write_text(secrets.token_hex(32))  # without it, Ray writes one into the user's home
    ray = {"RAY_TMPDIR": str(folder), "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    yield os.environ | {"NAMESAKE_HOME": str(starter_service.settings.home)} | ray
    shutil.rmtree(folder, ignore_errors=True)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "app", "annotate", *map(str, arguments)]


def annotate(env: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=env, capture_output=True, text=True, check=False, timeout=300)


def started(env: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def rows(file: int) -> list[dict[str, Any]]:
    found = [{"id": f"{file}-{number}", "text": TEXTS[number % len(TEXTS)]} for number in range(EACH)]
    if file == 1:
        del found[7]["id"]  # its position in the whole input becomes its id
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of JSON lines and Parquet; and beside it, all of that in one file for the local engine."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    (folder / "_SUCCESS").touch()
    together = ""
    for file in range(FILES):
        lines = "".join(json.dumps(row) + "\n" for row in rows(file))
        if file == FILES - 1:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows(file)), folder / "more" / f"{file}.parquet")
        else:
            lines += BAD + "\n" if file == 2 else ""
            (folder / f"{file}.jsonl").write_text(lines)
        together += lines
    (tmp_path / "all.jsonl").write_text(together)
    return folder


def working(process: subprocess.Popen[str], out: Path) -> psutil.Process | None:
    """Return an actor that is writing answers."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if any(Path(file.path).parent == out / "_work" for file in child.open_files()):
                return child
        except psutil.Error:
            continue
    return None


def until(found: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + 120
    while not (value := found()):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value


def end(family: list[psutil.Process]) -> None:
    """Wait until nothing works any more; what Ray has beside it to look after a machine ends later, by itself."""
    workers = [process for process in family if process.is_running() and "MapWorker" in process.name()]
    assert not psutil.wait_procs(workers, timeout=60)[1]
    for process in family:
        if process.is_running():
            process.kill()


def parts(out: Path) -> list[Path]:
    return sorted(out.glob("part-*"))


@needs_ray
def test_whatever_is_killed_the_answers_are_those_of_the_local_engine(
    environment: dict[str, str], source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (source, out, "--engine", "ray", "--workers", 2)
    process = started(environment, *arguments)
    until(lambda: parts(out), process)
    until(lambda: working(process, out), process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    end(family)
    before = {path: path.stat().st_mtime_ns for path in parts(out)}
    assert 1 <= len(before) < FILES

    process = started(environment, *arguments)
    actor = until(lambda: working(process, out), process)
    actor.kill()
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert f"{len(before)} of {FILES} partitions are there already" in told
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert [path.name for path in parts(out)] == [f"part-{number:05}.jsonl" for number in range(FILES)]
    assert not (out / "_work").exists()

    local = annotate(environment, tmp_path / "all.jsonl", tmp_path / "local.jsonl", "--workers", 1)
    assert local.returncode == 0, local.stderr
    assert b"".join(path.read_bytes() for path in parts(out)) == (tmp_path / "local.jsonl").read_bytes()
    (reject,) = (json.loads(line) for path in (out / "_rejects").iterdir() for line in path.read_text().splitlines())
    (expected,) = map(json.loads, (tmp_path / "local.jsonl.rejects.jsonl").read_text().splitlines())
    assert reject == expected | {"file": str(source / "2.jsonl"), "place": f"line {EACH + 1}"}

    again = annotate(environment, *arguments)
    assert again.returncode == 0
    assert f"{FILES} of {FILES} partitions are there already" in again.stderr


def partitions(service: Service, tmp_path: Path, kind: Any) -> Partitions:
    found = Partitions(tmp_path / "out", kind, Columns(), OPTIONS)
    found.begin({}, fresh=False)
    return found


def test_partitions_may_be_parquet(starter_service: Service, source: Path, tmp_path: Path) -> None:
    folder = partitions(starter_service, tmp_path, "parquet")
    part = next(cut_into_parts([source / "0.jsonl"], Columns()))
    counts = folder.write(starter_service, part)
    assert (counts["documents"], counts["rejects"]) == (EACH, 0)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "part-00000.parquet")
    assert table.num_rows == counts["mentions"] > counts["links"] // 2 > 0
    folder.end()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_plan.json", "part-00000.parquet"]


def test_a_part_whose_processes_are_killed_is_not_tried_forever(
    starter_service: Service, source: Path, tmp_path: Path
) -> None:
    folder = partitions(starter_service, tmp_path, "jsonl")
    part = next(cut_into_parts([source / "0.jsonl"], Columns()))
    for number in range(TRIES):
        (tmp_path / "out" / "_work" / f"0.{number}").touch()
    with pytest.raises(KilledAgain, match="Fewer --workers"):
        folder.write(starter_service, part)
    folder.begin({}, fresh=False)
    assert folder.write(starter_service, part)["documents"] == EACH


@needs_ray
@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("in", ["--format", "csv"], "does not write csv"),
        ("in", ["--input-format", "jsonl"], "goes by the endings"),
        ("missing", [], "There is no file or folder"),
        ("in.csv", [], "neither .jsonl nor .parquet"),
        ("in", ["--address", "127.0.0.1:1"], "The Ray cluster 127.0.0.1:1 cannot be used"),
    ],
)
def test_what_it_cannot_do_is_told(
    environment: dict[str, str], source: Path, tmp_path: Path, name: str, options: list[str], told: str
) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,Paris\n")
    result = annotate(environment, tmp_path / name, tmp_path / "out", "--engine", "ray", *options)
    assert result.returncode == 2
    assert told in " ".join(result.stderr.split())
    assert "remedy: " in result.stderr


@needs_ray
def test_files_of_others_and_other_answers_stay(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    foreign = annotate(environment, source, out, "--engine", "ray", "--force")
    assert foreign.returncode == 2
    assert "name a new or an empty folder" in foreign.stderr
    (out / "mine").rename(out / "_plan.json")
    (out / "_plan.json").write_text('{"options": "others"}')
    (out / "part-00000.jsonl").touch()
    other = annotate(environment, source, out, "--engine", "ray")
    assert other.returncode == 2
    assert "--force" in other.stderr
    assert (out / "part-00000.jsonl").exists()


def test_without_ray_the_command_says_how_to_get_it(environment: dict[str, str], source: Path, tmp_path: Path) -> None:
    stub = tmp_path / "without" / "ray"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'ray'\")\n")
    paths = os.pathsep.join(filter(None, (str(stub.parent), environment.get("PYTHONPATH"))))
    result = annotate(environment | {"PYTHONPATH": paths}, source, tmp_path / "out", "--engine", "ray")
    assert result.returncode == 2
    assert "pip install -c constraints.txt 'namesake-ned[ray]'" in result.stderr
    lone = annotate(environment, source, tmp_path / "out.jsonl", "--address", "auto")
    assert lone.returncode == 2
    assert "--engine ray" in lone.stderr
