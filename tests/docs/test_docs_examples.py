"""The examples of the documentation do what it says that they do."""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from docs_pages import PAGES, Block, blocks, commands, differences, missing_lines, name_of
from starter_service import RunningService

# What README shows and the tests do not run, and why.
NOT_RUN = {
    "make run": "makes an environment and serves until it is stopped",
    "make test": "runs these tests",
}
SECONDS = 120
WITH_EXAMPLES = [page for page in PAGES if any("run" in block.role for block in blocks(page))]


def test_readme_shows_nothing_that_is_not_tested() -> None:
    shown = [
        line for block in blocks(PAGES[0]) if block.language == "sh" and not block.role for line in commands(block.text)
    ]
    assert sorted(line.split("#")[0].strip() for line in shown) == sorted(NOT_RUN)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_can_be_parsed(page: Path) -> None:
    for block in blocks(page):
        assert block.language, f"{block.where} names no language"
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "jsonl":
            assert all(isinstance(json.loads(line), dict) for line in block.text.splitlines()), block.where
        elif block.language == "python":
            ast.parse(block.text, block.where)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl: it is not installed")
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_examples_answer_what_is_shown(page: Path, running_service: RunningService, tmp_path: Path) -> None:
    output = errors = ""
    for block in blocks(page):
        match block.role:
            case ("run",):
                output, errors = _run(block, running_service, tmp_path)
            case ("file", name):
                (tmp_path / name).write_text(block.text, encoding="utf-8")
            case ("answer",) if block.language == "json":
                found = list(differences(json.loads(block.text), json.loads(output)))
                assert not found, f"{block.where}: {found}\n{output}"
            case ("answer",):
                lines = missing_lines(block.text, output + errors)
                assert not lines, f"{block.where}: not printed: {lines}\n{output}{errors}"
            case other:
                assert not other, f"{block.where}: {other} is no role of a block"


def _run(block: Block, service: RunningService, folder: Path) -> tuple[str, str]:
    """Run a block against the starter service; what it prints of the home folder is said of the usual one."""
    script = block.text.replace("http://127.0.0.1:8000", service.base_url).replace(".venv/bin/namesake", "namesake")
    env = service.env | {"COLUMNS": "100", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block.where} ended with {done.returncode}: {done.stdout}{done.stderr}"
    home = service.env["NAMESAKE_HOME"]
    return done.stdout.replace(home, "/var/lib/namesake"), done.stderr.replace(home, "/var/lib/namesake")


def test_the_comparison_sees_what_differs() -> None:
    real = {"id": "Java_(island)", "count": 2, "score": 0.5, "types": ["island", "place"], "kb_version": 8}
    same = {"id": "Java_(…)", "count": 2, "score": 0.9, "types": ["island", "…"], "kb_version": 4}
    assert not list(differences(same, real))
    assert not list(differences({"id": "Java_(island)", "…": "…"}, real))
    for change in (
        {"id": "Java"},
        {"count": 3},
        {"types": ["island"]},
        {"score": "high"},
        {"other": 1},
        {"kb_version": "8"},
    ):
        assert list(differences(same | change, real)), change
    assert list(differences({"id": "Java_(island)"}, real))


def test_missing_lines_are_seen_whatever_the_numbers() -> None:
    printed = "entities   4,483\nin 1.3 s\n"
    assert missing_lines("entities 12\nin … s\n", printed) == []
    assert missing_lines("aliases 12\n", printed) == ["aliases 12"]
