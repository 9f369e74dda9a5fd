"""What the shipped weights are: their hashes, what they learned from, and how good they were measured to be.

`weights/manifest.json` says so. A shipped file that is not the one it names is refused: half of one fit beside half of
another would link, badly, and nobody would know why. Files from elsewhere are not its business.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from model.encoder_weights import file_hash

FOLDER = Path(__file__).parent / "weights"
NAME = "manifest.json"
UNKNOWN = "not said yet"
REMEDY = (
    "Reinstall Namesake, or restore model/weights from its repository; if you replaced the file on purpose, run "
    "`namesake model manifest`"
)
METRICS: dict[str, Literal["accuracy", "micro F1"]] = {"d2kb": "accuracy", "a2kb": "micro F1"}


class ModelFilesError(RuntimeError):
    """The shipped weights, or what the manifest says of them, cannot be used."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncoderOrigin(_Part):
    """The published encoder that the weights were trained for."""

    name: str
    package: str
    licence: str
    sha256: str


class Origin(_Part):
    """How a file came about: the command that made it, and what it learned from."""

    made: str = UNKNOWN
    learned_from: str = UNKNOWN


class ModelFile(Origin):
    """A file: its size, its hash, and the day (UTC) on which the manifest first named that hash."""

    bytes: int
    sha256: str
    date: datetime.date


class Scores(_Part):
    """What one evaluation measured: for each source of documents, the percentage that each system reached."""

    command: str
    date: datetime.date
    metric: Literal["accuracy", "micro F1"]
    percent: dict[str, dict[str, float]]


class Manifest(_Part):
    """The whole of `manifest.json`.

    Attributes:
        files: by name.
        knowledge_base: what the scores were measured over.
        scores: of these very files.
    """

    encoder: EncoderOrigin
    files: dict[str, ModelFile]
    knowledge_base: str
    scores: tuple[Scores, ...]


def read_manifest() -> Manifest:
    """Read the manifest of the shipped weights.

    Raises:
        ModelFilesError: it is missing or damaged.
    """
    path = FOLDER / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelFilesError(f"{path} cannot be read ({error.strerror}). {REMEDY}") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ModelFilesError(f"{path} is damaged ({field}: {first['msg']}). {REMEDY}") from None


def is_shipped(path: Path) -> bool:
    """Say whether a file is one of those that come with Namesake."""
    return path.resolve().parent == FOLDER.resolve()


def check_file(path: Path) -> None:
    """Check that a shipped file is the one that the manifest names; any other file passes.

    Raises:
        ModelFilesError: it is missing, damaged or another one.
    """
    if not is_shipped(path):
        return
    named = read_manifest().files.get(path.name)
    if named is None:
        raise ModelFilesError(f"{path} is not in {NAME}. {REMEDY}")
    if not path.is_file():
        raise ModelFilesError(f"{path} is missing. {REMEDY}")
    found = file_hash(path)
    if found != named.sha256:
        raise ModelFilesError(
            f"{path} has sha256 {found}, not {named.sha256}: it is damaged, or of another model than the files beside "
            f"it. {REMEDY}"
        )


def renew(origins: Mapping[str, Origin], scores: Sequence[Scores] = ()) -> list[str]:
    """Write the manifest anew after files changed, or were measured.

    Sizes, hashes and dates follow the files. Scores of other files than these are left out; new ones take the place of
    earlier ones of the same command.

    Args:
        origins: how files came about, by name; those that are not named keep what the manifest says.

    Returns:
        The names of the files that are new or changed.

    Raises:
        ModelFilesError: the manifest is missing or damaged.
        OSError: it cannot be written.
    """
    before = read_manifest()
    today = datetime.datetime.now(datetime.UTC).date()
    files: dict[str, ModelFile] = {}
    for path in sorted(FOLDER.iterdir()):
        if path.name != NAME and path.suffix != ".partial" and path.is_file():
            known = before.files.get(path.name)
            origin = origins.get(path.name, known or Origin())
            digest = file_hash(path)
            files[path.name] = ModelFile(
                bytes=path.stat().st_size,
                sha256=digest,
                date=known.date if known and known.sha256 == digest else today,
                made=origin.made,
                learned_from=origin.learned_from,
            )
    changed = [name for name in {**before.files, **files} if _hash_in(before.files, name) != _hash_in(files, name)]
    new = {measured.command: measured for measured in (() if changed else before.scores)}
    new |= {measured.command: measured for measured in scores}
    _write(before.model_copy(update={"files": files, "scores": tuple(new.values())}))
    return changed


def read_scores(path: Path, version: str) -> Scores:
    """Read what `namesake evaluate --json` wrote.

    Args:
        version: how the model_version of these weights begins.

    Raises:
        ModelFilesError: it is something else, or another model was measured.
    """
    try:
        found = orjson.loads(path.read_bytes())
        groups = {group["name"]: group["systems"] for group in found["groups"] if group["name"] != "all"}
        measured = {systems["namesake"]["model_version"] for systems in groups.values()}
        percent = {
            name: {system: _percent(found["mode"], scores) for system, scores in systems.items()}
            for name, systems in groups.items()
        }
        command = _command(found)
        metric = METRICS[found["mode"]]
        date = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date()
    except OSError as error:
        raise ModelFilesError(f"{path} cannot be read: {error.strerror}") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelFilesError(
            f"{path} is not what `namesake evaluate --json` writes ({error!r}): evaluate the shipped weights again"
        ) from None
    if not all(name.startswith(version) for name in measured):
        raise ModelFilesError(
            f"{path} has the scores of {', '.join(sorted(measured))}, not of {version}…: evaluate the shipped weights"
        )
    return Scores(command=command, date=date, metric=metric, percent=percent)


def _hash_in(files: Mapping[str, ModelFile], name: str) -> str | None:
    return files[name].sha256 if name in files else None


def _percent(mode: str, scores: Any) -> float:
    share = scores["accuracy"]["value"] if mode == "d2kb" else scores["links"]["micro"]["f1"]
    return round(100 * float(share), 1)


def _command(found: Any) -> str:
    """Return the command line that an evaluation was made with."""
    words = ["namesake evaluate --benchmark", *map(str, found["benchmarks"])]
    if found["mode"] != "d2kb":
        words.append(f"--mode {found['mode']}")
    selection = found["selection"]
    words += [f"--source {source}" for source in selection["sources"] or ()]
    words += [f"--{name} {selection[name]}" for name in ("limit", "sample") if selection[name] is not None]
    if selection["sample"] is not None:
        words.append(f"--seed {selection['seed']}")
    if selection.get("named"):
        words.append("--named")
    return " ".join(words)


def _write(manifest: Manifest) -> None:
    partial = FOLDER / f"{NAME}.partial"
    partial.write_bytes(orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n")
    partial.replace(FOLDER / NAME)
