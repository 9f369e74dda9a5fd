"""How a model is trained: everything that can be set, read from one TOML file."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.training.encoder_config import EncoderConfig

Precision = Literal["auto", "fp32", "bf16"]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ConfigError(ValueError):
    """A configuration cannot be used; each line of the message names file, line, key, what is wrong and the remedy."""


class Section(BaseModel):
    """A section of the file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataConfig(Section):
    """[data]: what is learned from. Paths are relative to the folder of the configuration file."""

    documents: tuple[Path, ...] = Field(min_length=1, description="Files of documents whose mentions are links.")
    exhaustive: tuple[Path, ...] = Field(
        default=(), description="Files of documents in which every mention is marked, for mention detection."
    )
    weak: tuple[Path, ...] = Field(
        default=(), description="Files of documents with weak labels, as `namesake weak-label` writes them."
    )
    sources: dict[str, Rate] = Field(
        default_factory=dict,
        description="How often an epoch shows each document of a source; 1 for sources that are not named.",
    )
    held_out_pages: Share = Field(default=0.02, description="Share of the pages that training never sees.")
    held_out_entities: Share = Field(
        default=0.05, description="Share of the entities that are never the right answer in training."
    )


class ModelConfig(Section):
    """[model]: whether it is `ned-base` that is trained, and its size."""

    similarity: Count = Field(default=64, description="Numbers in an entity's vector of `ned-base`.")
    entity_ids: bool = Field(
        default=False,
        description="Whether each entity has a learned vector of its own: the baseline `ned-base`, which knows no "
        "entity that came after training.",
    )


class OptimisationConfig(Section):
    """[optimisation]: how the weights are changed (AdamW, Loshchilov and Hutter, 2019)."""

    seed: int = Field(default=0, ge=0, lt=2**63, description="Of everything that is drawn.")
    epochs: Count = Field(default=3, description="How often training goes over the data, and measures what it reached.")
    batch_mentions: Count = Field(
        default=256, description="Mentions in a step of `ned-base`; in one of the encoder, `encoder.windows` counts."
    )
    accumulate: Count = Field(default=1, description="Steps that are added up before the weights change once.")
    learning_rate: Positive = Field(default=5e-4, description="The highest learning rate, reached after the warmup.")
    warmup: Share = Field(default=0.05, description="Share of the training in which the learning rate rises from 0.")
    weight_decay: Rate = Field(default=0.01, description="Weight decay; biases and norms have none.")
    clip: Positive = Field(default=1.0, description="Longest gradient; longer ones are scaled down to it.")
    precision: Precision = Field(
        default="auto",
        description="Numbers of the matrix products: `fp32`, `bf16`, or `auto`: `bf16` where the processor or GPU has "
        "instructions for it.",
    )
    threads: Count | None = Field(
        default=None, description="Threads on the CPU. Without it, as many as PyTorch takes by itself."
    )


class CheckpointsConfig(Section):
    """[checkpoints]: what is kept on disk. The folder is relative to that of the configuration file."""

    folder: Path = Field(default=Path("checkpoints"), description="Where checkpoints, `loss.svg` and logs are written.")
    every_minutes: Rate = Field(default=5.0, description="Minutes between two checkpoints; 0 for one an update.")
    keep: Count = Field(default=3, description="How many checkpoints are kept, the newest ones.")


class TrainingConfig(Section):
    """A whole configuration; only `documents` has no default."""

    data: DataConfig
    encoder: EncoderConfig = EncoderConfig()
    model: ModelConfig = ModelConfig()
    optimisation: OptimisationConfig = OptimisationConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()

    @property
    def fingerprint(self) -> dict[str, object]:
        """Everything set that must be equal for a training to go on, by key path.

        Files count by their names: they may move, and what is in them is for the task's own fingerprint. Threads and
        checkpoints may change.
        """
        values: dict[str, object] = {}
        for section in ("data", "encoder", "model", "optimisation"):
            for key, value in getattr(self, section).model_dump().items():
                values[f"{section}.{key}"] = [path.name for path in value] if isinstance(value, tuple) else value
        del values["optimisation.threads"]
        return values


def read_config(path: Path) -> TrainingConfig:
    """Read a configuration; paths in it come back resolved against its folder.

    Raises:
        ConfigError: it is missing or no TOML, a key is unknown, a value cannot be used, or a file of documents is
            missing. All that is wrong is told at once, a line each.
    """
    text = _read(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not TOML: {error}; see docs/training.md for an example") from None
    try:
        # From JSON, pydantic takes lists for tuples and strings for paths, and is strict about everything else.
        config = TrainingConfig.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, text, error))) from None
    config = _resolved(config, path.parent)
    missing = list(_missing(path, text, config.data))
    if missing:
        raise ConfigError("\n".join(missing))
    return config


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name the TOML file of the training") from None


def _resolved(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """Return the configuration with paths that do not depend on where the command was called."""
    base = folder.absolute()
    files = {
        key: tuple(base / path.expanduser() for path in getattr(config.data, key))
        for key in ("documents", "exhaustive", "weak")
    }
    checkpoints = config.checkpoints.model_copy(update={"folder": base / config.checkpoints.folder.expanduser()})
    return config.model_copy(update={"data": config.data.model_copy(update=files), "checkpoints": checkpoints})


def _missing(path: Path, text: str, data: DataConfig) -> Iterator[str]:
    for key in ("documents", "exhaustive", "weak"):
        for number, file in enumerate(getattr(data, key)):
            if not file.is_file():
                where = _where(path, text, ("data", key))
                yield f"{where}: data.{key}[{number}]: there is no file {file}; paths are relative to {path.parent}"


def _explain(path: Path, text: str, error: ValidationError) -> Iterator[str]:
    """Yield a line for each value that is wrong."""
    for item in error.errors(include_url=False, include_context=False):
        keys = tuple(key for key in item["loc"] if isinstance(key, str))
        name = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in item["loc"]).lstrip(".")
        where = _where(path, text, keys)
        if item["type"] == "extra_forbidden":
            yield f"{where}: {name} is no setting; did you mean {_nearest(keys)}?"
        elif item["type"] == "missing":
            yield f"{where}: {name} is missing; {_described(keys, 'give it')}"
        else:
            shown = f" = {_toml(item['input'])}" if not isinstance(item["input"], Mapping) else ""
            yield f"{where}: {name}{shown} cannot be used: {item['msg']}; {_described(keys, 'change it')}"


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _settings() -> dict[tuple[str, ...], str]:
    """Return what every key is for, sections included."""
    found: dict[tuple[str, ...], str] = {}
    for section, field in TrainingConfig.model_fields.items():
        kind: Any = field.annotation
        found[section,] = (kind.__doc__ or "").partition("\n")[0]
        found |= {(section, key): part.description or "" for key, part in kind.model_fields.items()}
    return found


def _nearest(keys: tuple[str, ...]) -> str:
    """Return the known key most like an unknown one: in its own section if one is like it, else anywhere."""
    everywhere = {key[-1]: key for key in _settings()}
    here = {name: key for name, key in everywhere.items() if key[:-1] == keys[:-1]}
    for names, cutoff in ((here, 0.6), (everywhere, 0.6), (here, 0.0)):
        close = difflib.get_close_matches(keys[-1], names, n=1, cutoff=cutoff)
        if close:
            return ".".join(names[close[0]])
    return "one of docs/training.md"


def _described(keys: tuple[str, ...], otherwise: str) -> str:
    """Return the remedy: what a value of this key is for."""
    description = _settings().get(keys[:2]) or _settings().get(keys[:1])
    return f"it is: {description}" if description else f"{otherwise} as docs/training.md says"


def _where(path: Path, text: str, keys: tuple[str, ...]) -> str:
    """Return the file, and the line on which a key (or else its section) is set, where it can be told."""
    line = next((found for end in range(len(keys), 0, -1) if (found := _line(text, keys[:end]))), None)
    return f"{path}, line {line}" if line else str(path)


def _line(text: str, keys: tuple[str, ...]) -> int | None:
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        setting = re.match(r"""\s*([\w\-."' ]+?)\s*=""", line)
        if header:
            section = _parts(header[1])
        if keys == (section if header else (*section, *_parts(setting[1])) if setting else None):
            return number
    return None


def _parts(dotted: str) -> tuple[str, ...]:
    found = re.findall(r"""([\w-]+)|"([^"]*)"|'([^']*)'""", dotted)
    return tuple(bare or double or single for bare, double, single in found)
