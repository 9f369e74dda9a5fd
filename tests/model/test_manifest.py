"""The manifest names every shipped file; one that is damaged, mixed up or missing is refused, and told how to mend."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model import adapter, manifest
from model.adapter import SHIPPED, read_adapter
from model.encoder import load_encoder
from model.encoder_weights import WEIGHTS_SHA256
from model.manifest import ModelFilesError, Origin, read_manifest, read_scores, renew
from model.scorer import WEIGHTS, load_scorer

MOST_BYTES = 20_000_000
VERSION = "features-3+minilm-1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped weights that takes their place."""
    copied = Path(shutil.copytree(manifest.FOLDER, tmp_path / "weights"))
    monkeypatch.setattr(manifest, "FOLDER", copied)
    return copied


def test_every_shipped_file_is_named_and_all_are_small() -> None:
    there = {path.name: path for path in manifest.FOLDER.iterdir() if path.name != manifest.NAME}
    named = read_manifest().files
    assert named.keys() == there.keys() == {SHIPPED.name, WEIGHTS.name}
    for name, file in named.items():
        manifest.check_file(there[name])
        assert file.bytes == there[name].stat().st_size
        assert manifest.UNKNOWN not in {file.made, file.learned_from}
    assert sum(path.stat().st_size for path in manifest.FOLDER.iterdir()) <= MOST_BYTES


def test_it_names_the_encoder_that_the_weights_are_for() -> None:
    encoder = read_manifest().encoder
    assert encoder.sha256 == WEIGHTS_SHA256
    assert read_adapter(SHIPPED, encoder.sha256).held_out


def open_scorer(folder: Path) -> None:
    load_scorer(folder / WEIGHTS.name)


def open_adapter(folder: Path) -> None:
    read_adapter(folder / SHIPPED.name, WEIGHTS_SHA256)


OPEN = [(WEIGHTS.name, open_scorer), (SHIPPED.name, open_adapter)]


@pytest.mark.parametrize(("name", "opened"), OPEN)
def test_a_damaged_file_is_refused(folder: Path, name: str, opened: Callable[[Path], None]) -> None:
    opened(folder)
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(
        ModelFilesError, match=rf"{name} has sha256 .* damaged, .*Reinstall .*`namesake model manifest`"
    ):
        opened(folder)


def test_a_file_of_another_fit_is_refused_beside_the_rest(folder: Path) -> None:
    other = json.loads(WEIGHTS.read_text()) | {"version": "features-2"}
    (folder / WEIGHTS.name).write_text(json.dumps(other))
    with pytest.raises(ModelFilesError, match=r"of another model than the files beside it"):
        open_scorer(folder)
    open_adapter(folder)


@pytest.mark.parametrize(("name", "opened"), OPEN)
def test_a_missing_file_is_told(folder: Path, name: str, opened: Callable[[Path], None]) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelFilesError, match=rf"{name} is missing\. Reinstall"):
        opened(folder)


def test_a_file_that_the_manifest_does_not_name_is_refused(folder: Path) -> None:
    shutil.copy(folder / WEIGHTS.name, folder / "more.json")
    with pytest.raises(ModelFilesError, match=r"more\.json is not in manifest\.json"):
        load_scorer(folder / "more.json")


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read"), ("{", "is damaged"), ('{"files": {}}', r"is damaged \(encoder: Field required\)")],
)
def test_a_damaged_manifest_is_told(folder: Path, content: str | None, told: str) -> None:
    path = folder / manifest.NAME
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ModelFilesError, match=rf"manifest\.json {told}.*Reinstall"):
        open_scorer(folder)


def test_files_from_elsewhere_are_no_business_of_the_manifest(folder: Path, tmp_path: Path) -> None:
    (folder / manifest.NAME).unlink()
    own = tmp_path / "weights.json"
    own.write_text(json.dumps(json.loads(WEIGHTS.read_text()) | {"version": "mine-1"}))
    assert load_scorer(own).version == "mine-1"
    adapted = shutil.copy(SHIPPED, tmp_path / "encoder.safetensors")
    assert read_adapter(Path(adapted), WEIGHTS_SHA256).digest


def test_the_encoder_is_not_opened_with_a_damaged_shipped_file(
    folder: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / SHIPPED.name).write_bytes(b"")
    monkeypatch.setattr(adapter, "SHIPPED", folder / SHIPPED.name)
    with pytest.raises(ModelFilesError, match="has sha256"):
        load_encoder(graphs, adapter=adapter.SHIPPED)


def test_renewing_what_did_not_change_changes_nothing(folder: Path) -> None:
    before = (folder / manifest.NAME).read_bytes()
    assert renew({}) == []
    assert (folder / manifest.NAME).read_bytes() == before


def test_renewing_follows_the_files_and_drops_the_scores_of_others(folder: Path) -> None:
    before = read_manifest()
    (folder / WEIGHTS.name).write_text(json.dumps(json.loads(WEIGHTS.read_text()) | {"version": "features-9"}))
    origin = Origin(made="namesake fit", learned_from="7 documents")
    assert renew({WEIGHTS.name: origin}) == [WEIGHTS.name]
    assert load_scorer(folder / WEIGHTS.name).version == "features-9"
    after = read_manifest()
    assert after.files[SHIPPED.name] == before.files[SHIPPED.name]
    assert (after.files[WEIGHTS.name].made, after.files[WEIGHTS.name].learned_from) == ("namesake fit", "7 documents")
    assert after.scores == ()
    (folder / "more.bin").write_bytes(b"more")
    assert renew({}) == ["more.bin"]
    assert read_manifest().files["more.bin"].made == manifest.UNKNOWN
    (folder / "more.bin").unlink()
    assert renew({}) == ["more.bin"]
    assert read_manifest() == after


def evaluation(path: Path, mode: str = "d2kb", version: str = f"{VERSION}-int8-p1", **more: Any) -> Path:
    scores = {"model_version": version, "accuracy": {"value": 0.91234}, "links": {"micro": {"f1": 0.5}}}
    groups = [{"name": name, "systems": {"namesake": scores, "prior-only": scores}} for name in ("gum", "all")]
    selection = {"sources": [], "limit": None, "sample": None, "seed": 0}
    found = {"mode": mode, "benchmarks": ["gum.jsonl.gz"], "selection": selection, "groups": groups} | more
    path.write_text(json.dumps(found))
    return path


def test_scores_are_read_from_evaluations(folder: Path, tmp_path: Path) -> None:
    given = read_scores(evaluation(tmp_path / "d2kb.json"), VERSION)
    assert (given.command, given.metric) == ("namesake evaluate --benchmark gum.jsonl.gz", "accuracy")
    assert given.percent == {"gum": {"namesake": 91.2, "prior-only": 91.2}}
    some = {"sources": ["gum"], "limit": None, "sample": 20, "seed": 3}
    plain = read_scores(evaluation(tmp_path / "a2kb.json", "a2kb", selection=some), VERSION)
    assert plain.command.endswith("gum.jsonl.gz --mode a2kb --source gum --sample 20 --seed 3")
    assert plain.percent["gum"]["namesake"] == 50.0
    before = read_manifest().scores
    assert renew({}, [given, plain]) == []
    again = given.model_copy(update={"percent": {"gum": {"namesake": 92.0}}})
    renew({}, [again])
    assert read_manifest().scores == (*before, again, plain)


def test_scores_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFilesError, match=r"has the scores of features-2\+minilm-1-int8-p1, not of features-3"):
        read_scores(evaluation(tmp_path / "old.json", version="features-2+minilm-1-int8-p1"), VERSION)
    for content in ("{", "[]", '{"mode": "d2kb"}'):
        (tmp_path / "no.json").write_text(content)
        with pytest.raises(ModelFilesError, match=r"no\.json is not what `namesake evaluate --json` writes"):
            read_scores(tmp_path / "no.json", VERSION)
    with pytest.raises(ModelFilesError, match=r"missing\.json cannot be read"):
        read_scores(tmp_path / "missing.json", VERSION)
