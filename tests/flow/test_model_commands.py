"""`namesake model`, and which model the settings choose: what was built for another one is refused."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from app.assembly import open_linker
from app.cli import app
from app.doctor import _model_files
from app.settings import Settings
from kb.snapshot import SnapshotError
from model import manifest
from model.adapter import SHIPPED
from model.encoder import open_weights
from model.encoder_weights import WEIGHTS_SHA256, file_hash
from model.fitting.ablations import GROUPS
from model.scorer import WEIGHTS, load_scorer

if TYPE_CHECKING:
    from app.service import Service


@pytest.fixture
def home(starter_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAMESAKE_HOME", str(starter_home))
    return starter_home


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that the settings and the manifest mean."""
    copied = Path(shutil.copytree(manifest.FOLDER, tmp_path / "weights"))
    monkeypatch.setattr(manifest, "FOLDER", copied)
    monkeypatch.setattr("app.assembly.SHIPPED", copied / SHIPPED.name)
    monkeypatch.setattr("app.assembly.WEIGHTS", copied / WEIGHTS.name)
    return copied


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["model", *arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def shown(code: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run("show", "--json", code=code))
    return answer


@pytest.mark.usefixtures("home")
def test_show_tells_version_files_origin_and_scores() -> None:
    answer = shown()
    assert answer["version"] == f"{json.loads(WEIGHTS.read_text())['version']}+{open_weights().name}"
    assert [file["part"] for file in answer["files"]] == ["encoder", "adapter", "scorer"]
    assert [file["sha256"] for file in answer["files"]] == [WEIGHTS_SHA256, file_hash(SHIPPED), file_hash(WEIGHTS)]
    assert answer["scores"]
    printed = run("show")
    assert answer["version"] in printed
    for file in answer["files"][1:]:
        assert file["made"] in printed
    for measured in answer["scores"]:
        assert measured["command"] in printed


@pytest.mark.usefixtures("home")
def test_show_tells_nothing_of_a_model_of_ones_own_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "mine.json"
    own.write_text(json.dumps(json.loads(WEIGHTS.read_text()) | {"version": "mine"}))
    monkeypatch.setenv("NAMESAKE_SCORER", str(own))
    answer = shown()
    assert answer["version"].startswith("mine+")
    assert (answer["date"], answer["scores"], answer["files"][2]["shipped"]) == (None, [], False)
    assert "made" not in answer["files"][2]
    assert f"mine.json is {own}" in run("show")


@pytest.mark.usefixtures("home")
def test_show_and_doctor_name_the_file_that_cannot_be_used(folder: Path) -> None:
    (folder / WEIGHTS.name).write_text("{}")
    answer = shown(code=1)
    assert (answer["ok"], answer["version"], answer["scores"]) == (False, None, [])
    assert [bool(file["problem"]) for file in answer["files"]] == [False, False, True]
    assert "features.json: " in run("show", code=1)
    (finding,) = _model_files(Settings())
    assert (finding.status, "has sha256" in finding.detail) == ("fail", True)


@pytest.mark.usefixtures("home")
def test_manifest_takes_what_was_put_there(folder: Path, tmp_path: Path) -> None:
    assert "names 2 files of" in run("manifest")
    weights = json.loads(WEIGHTS.read_text()) | {"version": "features-9"}
    (folder / WEIGHTS.name).write_text(json.dumps(weights))
    said = run("manifest")
    assert "changed: features.json; see that" in said
    assert "There are no scores of these files" in said
    assert shown()["version"].startswith("features-9+")
    scores = {"model_version": f"{shown()['version']}-int8-p1", "accuracy": {"value": 0.5}}
    selection = {"sources": [], "limit": None, "sample": None, "seed": 0}
    groups = [{"name": "news", "systems": {"namesake": scores}}]
    measured = tmp_path / "d2kb.json"
    measured.write_text(
        json.dumps({"mode": "d2kb", "benchmarks": ["dev.jsonl"], "selection": selection, "groups": groups})
    )
    assert "evaluations: 1" in run("manifest", "--scores", str(measured))
    assert shown()["scores"][0]["percent"] == {"news": {"namesake": 50.0}}


FITTED = [
    ("news/1", "Lincoln is the capital of Nebraska.", {"Lincoln": "Lincoln,_Nebraska", "Nebraska": "Nebraska"}),
    ("news/2", "Jordan won six titles with the Chicago Bulls.", {"Jordan": "Michael_Jordan"}),
    ("news/3", "Java is an island of Indonesia.", {"Java": "Java_(island)", "Indonesia": "Indonesia"}),
    ("news/4", "Paris is the capital of France.", {"Paris": "Paris", "France": "France"}),
    ("news/5", "Omaha is the largest city of Nebraska.", {"Omaha": "Omaha,_Nebraska", "Nebraska": "Nebraska"}),
    ("news/6", "Berlin is the capital of Germany.", {"Berlin": "Berlin", "Germany": "Germany"}),
]


def fitted_on(documents: Path) -> list[str]:
    """Write documents to fit on, and return the options that name them."""
    with documents.open("w") as file:
        for page, text, names in FITTED:
            mentions = [
                {"start": text.index(name), "end": text.index(name) + len(name), "entity": entity}
                for name, entity in names.items()
            ]
            row = {"id": f"{page}#0", "source": "news", "text": text, "mentions": mentions}
            file.write(json.dumps(row) + "\n")
    return ["--documents", str(documents), "--exhaustive", str(documents)]


@pytest.mark.usefixtures("home", "starter_service")
def test_ablations_are_fitted_at_once_and_one_by_one(tmp_path: Path) -> None:
    given = ["fit", *fitted_on(tmp_path / "documents.jsonl"), "--version", "mine"]
    done = CliRunner().invoke(app, [*given, "--ablations", str(tmp_path / "all")])
    assert done.exit_code == 0, done.output
    assert {path.stem for path in (tmp_path / "all").iterdir()} == {"full"} | {f"without-{name}" for name in GROUPS}
    one = tmp_path / "one.json"
    done = CliRunner().invoke(app, [*given, "--without", "popularity", "--out", str(one)])
    assert done.exit_code == 0, done.output
    weights = json.loads(one.read_bytes())
    assert weights == json.loads((tmp_path / "all" / "without-popularity.json").read_bytes())
    assert weights["version"] == load_scorer(one).version == "mine-without-popularity"
    assert {weights["candidate"][name] for name in GROUPS["popularity"] if name in weights["candidate"]} == {0.0}
    full = json.loads((tmp_path / "all" / "full.json").read_bytes())
    assert full["candidate"]["log_prior"] > 0


@pytest.mark.usefixtures("home", "starter_service")
def test_a_fit_into_the_shipped_weights_keeps_the_manifest_true(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.scorer.WEIGHTS", folder / WEIGHTS.name)
    done = CliRunner().invoke(app, ["fit", *fitted_on(tmp_path / "documents.jsonl"), "--version", "features-9"])
    assert done.exit_code == 0, done.output
    assert "The manifest has no scores of these weights" in done.stdout
    answer = shown()
    assert answer["version"].startswith("features-9+")
    assert answer["files"][2]["made"].startswith("namesake ")
    assert answer["files"][2]["learned_from"] == "The documents of that command: 6, with 11 mentions."
    assert answer["scores"] == []


def test_export_writes_both_graphs_once(home: Path, tmp_path: Path) -> None:
    run("export")
    again = run("export")
    assert again.count("already there") == 2
    for precision in ("fp32", "int8"):
        (graph,) = (home / "cache" / "encoder").glob(f"{open_weights().name}-*/{precision}.onnx")
        assert str(graph) in again
        assert f"{graph.stat().st_size:,} bytes  sha256 {file_hash(graph)}" in again
    assert run("export", "--out", str(tmp_path)).count("written") == 2
    (copied,) = tmp_path.glob("*/int8.onnx")
    assert copied.read_bytes() == graph.read_bytes()
    copied.write_bytes(copied.read_bytes()[:1000])
    said = run("export", "--out", str(tmp_path))
    assert (said.count("already there"), said.count("written")) == (1, 1)
    assert copied.read_bytes() == graph.read_bytes()


def test_a_snapshot_of_another_adapter_is_refused(starter_service: "Service", tmp_path: Path) -> None:
    home = starter_service.settings.home
    plain = Settings(home=home, database_url=None, adapter="none", backend="torch")
    with pytest.raises(
        SnapshotError, match=rf"was built for model {open_weights().name}-int8.*, this is minilm-\w+-fp32"
    ):
        open_linker(plain, starter_service.engine, build=False)
    same = Path(shutil.copy(SHIPPED, tmp_path / "copied.safetensors"))
    copied = Settings(home=home, database_url=None, adapter=str(same))
    linker = open_linker(copied, starter_service.engine, build=False)
    assert linker.model_version == starter_service.linker.model_version
    linker.close()
