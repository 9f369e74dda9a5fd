"""`namesake train`: from a knowledge base and documents to a file that the service opens."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model.adapter import read_adapter
from model.encoder import load_encoder
from model.encoder_weights import WEIGHTS_SHA256
from model.scorer import WEIGHTS

if TYPE_CHECKING:
    from app.service import Service

TEXTS = [
    ("Lincoln is the capital of Nebraska.", {"Lincoln": "Lincoln,_Nebraska", "Nebraska": "Nebraska"}),
    ("Java is an island of Indonesia.", {"Java": "Java_(island)", "Indonesia": "Indonesia"}),
    ("Berlin is the capital of Germany.", {"Berlin": "Berlin", "Germany": "Germany"}),
    ("Omaha is the largest city of Nebraska.", {"Omaha": "Omaha,_Nebraska", "Nebraska": "Nebraska"}),
]
CONFIG = """
[data]
documents = ["documents.jsonl"]
held_out_pages = 0.3

[encoder]
rank = 2
windows = 4

[optimisation]
epochs = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = []
    for number, (text, names) in enumerate(TEXTS):
        mentions = [
            {"start": text.index(name), "end": text.index(name) + len(name), "entity": entity}
            for name, entity in names.items()
        ]
        rows.append({"id": f"news/{number}#0", "source": "news", "text": text, "mentions": mentions})
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "encoder.toml").write_text(CONFIG)
    return tmp_path


def train(service: "Service", config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return namesake(service, "train", "--config", str(config), *options)


def namesake(service: "Service", *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"NAMESAKE_HOME": str(service.settings.home)}
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_training_writes_a_file_that_the_encoder_opens(starter_service: "Service", folder: Path) -> None:
    result = train(starter_service, folder / "encoder.toml")
    assert result.returncode == 0, result.stderr
    trained = folder / "checkpoints" / "encoder.safetensors"
    assert f"NAMESAKE_ADAPTER={trained}" in result.stdout
    assert "recall@1 news" in result.stderr
    assert read_adapter(trained, WEIGHTS_SHA256).held_out["pages"] == 0.3
    encoder = load_encoder(folder, "torch", adapter=trained)
    assert encoder.version != load_encoder(folder, "torch").version
    again = train(starter_service, folder / "encoder.toml")
    assert again.returncode == 0
    assert "went on at" in again.stdout


def test_ned_base_is_trained_and_measured_beside_the_linker(starter_service: "Service", folder: Path) -> None:
    config, weights = folder / "ned-base.toml", folder / "mine.json"
    config.write_text(
        CONFIG.replace("epochs = 1", "epochs = 9\nbatch_mentions = 4\nlearning_rate = 0.1")
        + "[model]\nentity_ids = true\nsimilarity = 8\n"
    )
    result = train(starter_service, config)
    assert result.returncode == 0, result.stderr
    trained = folder / "checkpoints" / "ned-base.safetensors"
    assert f"namesake evaluate --ned-base {trained}" in result.stdout
    assert "went on at" in train(starter_service, config).stdout
    (folder / "none.toml").write_text(config.read_text() + "[data.sources]\nnews = 0\n")
    result = train(starter_service, folder / "none.toml")
    assert result.returncode == 2
    assert "check data.documents, and the rates in data.sources" in result.stderr
    weights.write_bytes(WEIGHTS.read_bytes())
    documents, numbers = str(folder / "documents.jsonl"), folder / "numbers.json"
    extra = ("--weights", str(weights), "--ned-base", str(trained), "--json", str(numbers))
    result = namesake(starter_service, "evaluate", "--benchmark", documents, *extra)
    assert result.returncode == 0, result.stderr
    systems = json.loads(numbers.read_bytes())["groups"][0]["systems"]
    assert list(systems) == ["namesake", "prior-only", "cosine-only", "mine", "ned-base"]
    assert systems["ned-base"]["model_version"].startswith("ned-base-")
    assert systems["mine"]["accuracy"] == systems["namesake"]["accuracy"]
    assert systems["ned-base"]["candidates"]["anywhere"] == systems["namesake"]["candidates"]["anywhere"]
    result = namesake(starter_service, "evaluate", "--benchmark", documents, "--ned-base", str(weights))
    assert result.returncode == 2
    assert f"{weights} cannot be read as a file of ned-base" in result.stderr
    result = namesake(starter_service, "evaluate", "--benchmark", documents, *extra[:2], *extra[:2])
    assert result.returncode == 2
    assert "Two systems would be called mine" in result.stderr


def test_what_is_wrong_with_the_configuration_is_told_first(starter_service: "Service", folder: Path) -> None:
    (folder / "encoder.toml").write_text(CONFIG.replace("rank", "rang"))
    result = train(starter_service, folder / "encoder.toml")
    assert result.returncode == 2
    assert "encoder.rang is no setting; did you mean encoder.rank?" in result.stderr
    (folder / "encoder.toml").write_text(CONFIG)
    (folder / "documents.jsonl").write_text('{"id": "1", "source": "news", "text": "A", "mentions": [{"start": 9}]}\n')
    result = train(starter_service, folder / "encoder.toml")
    assert result.returncode == 2
    assert "documents.jsonl" in result.stderr
    assert "line 1" in result.stderr
