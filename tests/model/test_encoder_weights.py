"""Wrong or damaged weights and cached graphs are told or made again, never used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from model.encoder import Backend, Encoder, load_encoder
from model.encoder_weights import (
    ONNX_RECIPE,
    WEIGHTS_SHA256,
    EncoderWeightsError,
    check_weights,
    find_weights,
    weights_hash,
)

TEXT = "Mercury is the planet nearest the Sun."


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder of weights whose small files may be changed."""
    folder = tmp_path / "weights"
    folder.mkdir()
    original = find_weights()
    (folder / "model.safetensors").symlink_to(original / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(original / name, folder / name)
    return folder


@pytest.fixture
def cache(graphs: Path, encoders: dict[Backend, Encoder], tmp_path: Path) -> Path:
    """A copy of the cached graphs that a test may damage."""
    return Path(shutil.copytree(graphs, tmp_path / "graphs"))


def graph(cache: Path, encoder: Encoder) -> Path:
    """Return an encoder's graph; others may lie beside it."""
    name, _, precision = encoder.version.rpartition("-")
    return cache / f"{name}-{ONNX_RECIPE}" / f"{precision}.onnx"


def test_the_package_has_the_weights_that_namesake_was_trained_with() -> None:
    assert check_weights(find_weights()) == WEIGHTS_SHA256 == weights_hash(find_weights())


def test_a_folder_serves_as_well_as_the_package(copied: Path, graphs: Path, encoders: dict[Backend, Encoder]) -> None:
    encoder = load_encoder(graphs, "onnx-int8", source=str(copied))
    np.testing.assert_array_equal(encoder.embed([TEXT]), encoders["onnx-int8"].embed([TEXT]))


def test_another_hash_than_asked_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=rf"sha256 {WEIGHTS_SHA256}, not {'0' * 64}.*NAMESAKE_ENCODER_SHA256"):
        load_encoder(tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_told(copied: Path, tmp_path: Path) -> None:
    original = (copied / "model.safetensors").resolve()
    (copied / "model.safetensors").unlink()
    with original.open("rb") as file:
        (copied / "model.safetensors").write_bytes(file.read(1_000_000))
    with pytest.raises(EncoderWeightsError, match=r"the file is damaged or another model\. Reinstall"):
        load_encoder(tmp_path / "cache", source=str(copied))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file_is_told(copied: Path, tmp_path: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(EncoderWeightsError, match=f"{name} is missing: NAMESAKE_ENCODER must name"):
        load_encoder(tmp_path / "cache", source=str(copied))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderWeightsError, match=r"nowhere/model\.safetensors is missing"):
        find_weights(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": "1.0"}', b"\xff\xfe"])
def test_a_damaged_tokenizer_is_told(copied: Path, tmp_path: Path, content: bytes) -> None:
    (copied / "tokenizer.json").write_bytes(content)
    with pytest.raises(EncoderWeightsError, match=r"tokenizer\.json cannot be used .*: reinstall"):
        load_encoder(tmp_path / "cache", source=str(copied))


def test_a_cached_graph_is_used_again(cache: Path) -> None:
    path = graph(cache, load_encoder(cache, "onnx-int8"))
    before = path.stat()
    load_encoder(cache, "onnx-int8")
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", ["cut", "changed", "hash lost"])
def test_a_damaged_graph_is_made_again(cache: Path, encoders: dict[Backend, Encoder], damage: str) -> None:
    path = graph(cache, encoders["onnx-int8"])
    content = bytearray(path.read_bytes())
    if damage == "hash lost":
        path.with_suffix(".sha256").unlink()
    elif damage == "changed":
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2])
    again = load_encoder(cache, "onnx-int8").embed([TEXT])
    np.testing.assert_array_equal(again, encoders["onnx-int8"].embed([TEXT]))
