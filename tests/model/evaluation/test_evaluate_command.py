"""`namesake evaluate` with a small service in place of the real one."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from click.testing import Result
from evaluation_helpers import KB, DictionaryLinker
from typer.testing import CliRunner

from app.commands.evaluate import evaluate_command
from app.terminal import CommandError

TEXT = "Lincoln lies in Nebraska."
Invoke = Callable[..., Result]


@pytest.fixture
def benchmark_file(tmp_path: Path) -> Path:
    rows = []
    for n in range(6):
        mentions = [{"start": 0, "end": 7, "entity": "B"}, {"start": 16, "end": 24, "entity": None}]
        rows.append({"id": f"d{n}", "source": "web" if n < 4 else "news", "text": TEXT, "mentions": mentions})
    path = tmp_path / "small.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    baselines = {
        "prior-only": DictionaryLinker({"Lincoln": ("D", "B"), "Nebraska": ("C",)}),
        "cosine-only": DictionaryLinker({}),
    }

    @contextmanager
    def open_service(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        linker = DictionaryLinker({"Lincoln": ("B", "D")})
        yield SimpleNamespace(linker=linker, baseline=baselines.__getitem__, knowledge_base=KB)

    monkeypatch.setattr("app.service.open_service", open_service)
    monkeypatch.setenv("NAMESAKE_HOME", str(tmp_path / "home"))
    app = typer.Typer()
    app.command("evaluate")(evaluate_command)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_writes_tables_numbers_and_report(invoke: Invoke, benchmark_file: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out" / "numbers.json", tmp_path / "report"
    result = invoke("--benchmark", benchmark_file, "--mode", "d2kb", "--json", out, "--report", report)
    assert result.exit_code == 0, result.output
    assert "6/6" not in result.stdout  # progress goes to standard error
    assert "prior-only" in result.stdout
    data = json.loads(out.read_bytes())
    assert data["benchmarks"] == ["small.jsonl"]
    assert [group["name"] for group in data["groups"]] == ["news", "web", "all"]
    together = data["groups"][-1]
    assert list(together["systems"]) == ["namesake", "prior-only", "cosine-only"]
    assert together["systems"]["namesake"]["accuracy"]["value"] == 1.0
    assert together["systems"]["prior-only"]["accuracy"]["value"] == 0.0
    assert (report / "index.html").stat().st_size > 10_000
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_json_to_standard_output_is_nothing_but_json(invoke: Invoke, benchmark_file: Path) -> None:
    result = invoke("--benchmark", benchmark_file, "--mode", "a2kb", "--json", "-", "--source", "web", "--sample", "2")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["mode"] == "a2kb"
    assert data["selection"] == {"sources": ["web"], "limit": None, "sample": 2, "seed": 0, "named": False}
    assert [(g["name"], g["gold"]["documents"]) for g in data["groups"]] == [("web", 2)]
    assert "Micro F1" in result.stderr


def test_several_files_after_one_option(invoke: Invoke, benchmark_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(benchmark_file.read_text(encoding="utf-8").replace('"d', '"e'), encoding="utf-8")
    result = invoke("--benchmark", benchmark_file, other, "--json", "-", "--limit", "1", "--min-confidence", "0.1")
    data = json.loads(result.stdout)
    assert data["benchmarks"] == ["small.jsonl", "other.jsonl"]
    assert data["groups"][-1]["gold"]["documents"] == 2
    assert data["settings"]["min_confidence"] == 0.1


def test_mistakes_are_told_before_the_service_is_opened(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, benchmark_file: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.service.open_service", None)
    (tmp_path / "bad.jsonl").write_text('{"id": "x", "text": "y", "mentions": 3}\n', encoding="utf-8")
    for arguments, message in (
        (("--benchmark", tmp_path / "bad.jsonl"), "bad.jsonl, line 1: field mentions"),
        (("--benchmark", tmp_path / "none.jsonl"), "none.jsonl: cannot be read"),
        (("--benchmark", benchmark_file, "--source", "tv"), "no documents with source tv"),
        (("--benchmark", benchmark_file, "--limit", "1", "--sample", "1"), "There is a --limit and a --sample"),
        (("--benchmark", benchmark_file, "--json", tmp_path), "is a folder"),
        (("--benchmark", benchmark_file, "--report", benchmark_file), "cannot be written to"),
    ):
        result = invoke(*arguments)
        assert isinstance(result.exception, CommandError), result.output
        assert message in result.exception.detail
        assert result.exception.remedy


def test_help_has_examples(invoke: Invoke) -> None:
    result = invoke("--help")
    text = re.sub(r"\s+", " ", result.output)
    assert "namesake evaluate --benchmark wiki-fair-v2.jsonl.gz" in text
    assert "--mode a2kb --json results.json --report report" in text


def test_every_option_is_documented() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    command = typer.main.get_command(_single(evaluate_command))
    for option in (o for parameter in command.params for o in parameter.opts if o.startswith("--")):
        if option not in {"--install-completion", "--show-completion"}:
            assert f"`{option}" in docs


def _single(function: Callable[..., None]) -> typer.Typer:
    app = typer.Typer()
    app.command()(function)
    return app
