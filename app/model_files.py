"""The files that the model consists of, as the settings name them, and whether each can be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.assembly import adapter_path, open_adapter, scorer_path
from app.settings import Settings
from model.encoder import Weights, open_weights
from model.encoder_weights import WEIGHTS_SHA256, EncoderWeightsError, check_weights, file_hash, find_weights
from model.manifest import ModelFilesError, is_shipped
from model.scorer import ScorerError, load_scorer


@dataclass(frozen=True, slots=True)
class FileState:
    """One file.

    Attributes:
        part: `encoder` (the published weights), `adapter` (what training added to them) or `scorer`.
        shipped: whether it comes with Namesake, so that the manifest says more about it.
        bytes, sha256: of the file as it is; None where there is none.
        problem: why it cannot be used and what to do; None where it can.
    """

    part: str
    path: str
    shipped: bool
    bytes: int | None
    sha256: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ModelState:
    """The files, and the version of scorer and encoder, with which the model_version of answers begins.

    Attributes:
        version: None where a file cannot be used.
    """

    version: str | None
    files: tuple[FileState, ...]

    @property
    def is_shipped(self) -> bool:
        """Whether this is the model that comes with Namesake, as a whole."""
        shipped = {file.part for file in self.files if file.shipped}
        return self.version is not None and shipped == {"adapter", "scorer"}


def weights_of(settings: Settings) -> Weights:
    """Check the encoder's weights and what training added to them.

    Raises:
        EncoderWeightsError, ModelFilesError: a file cannot be used.
    """
    return open_weights(settings.encoder, settings.encoder_sha256 or WEIGHTS_SHA256, adapter_path(settings))


def model_version(settings: Settings) -> str:
    """Return how the model_version of answers begins; precision and recipe follow there.

    Raises:
        EncoderWeightsError, ScorerError, ModelFilesError: a file cannot be used.
    """
    return f"{load_scorer(scorer_path(settings)).version}+{weights_of(settings).name}"


def model_state(settings: Settings) -> ModelState:
    """Look at every file of the model; what is wrong with one is said, not raised."""
    adapter, scorer = adapter_path(settings), scorer_path(settings)
    files = [_encoder(settings)]
    if adapter is not None:
        files.append(_state("adapter", adapter, lambda: open_adapter(settings)))
    files.append(_state("scorer", scorer, lambda: load_scorer(scorer)))
    usable = all(file.problem is None for file in files)
    return ModelState(model_version(settings) if usable else None, tuple(files))


def _encoder(settings: Settings) -> FileState:
    try:
        folder = find_weights(settings.encoder)
    except EncoderWeightsError as error:
        return FileState("encoder", settings.encoder, False, None, None, str(error))
    expected = settings.encoder_sha256 or WEIGHTS_SHA256
    return _state("encoder", folder / "model.safetensors", lambda: check_weights(folder, expected))


def _state(part: str, path: Path, check: Callable[[], object]) -> FileState:
    problem = None
    try:
        check()
    except (EncoderWeightsError, ScorerError, ModelFilesError) as error:
        problem = str(error)
    there = path.is_file()
    return FileState(
        part,
        str(path),
        is_shipped(path),
        path.stat().st_size if there else None,
        file_hash(path) if there else None,
        problem,
    )
