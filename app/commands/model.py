"""`namesake model`: what the model consists of, its ONNX graphs, and the manifest of the shipped weights."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import command_settings, visible, writing

if TYPE_CHECKING:
    from app.model_files import ModelState
    from model.encoder_weights import Precision

OUT_HELP = "Folder to copy the graphs to; without it, they are where the service looks for them."
SCORES_HELP = "What `namesake evaluate --json` wrote of the shipped weights; may be repeated."

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the model that the settings name: version, files, what it learned from, scores.

    Ends with exit code 1 where a file cannot be used.

    Example:
    namesake model show
    """
    import orjson

    from app.model_files import model_state
    from app.show_model import show_model

    state = model_state(command_settings())
    described = _described(state)
    if as_json:
        typer.echo(orjson.dumps(described, option=orjson.OPT_INDENT_2).decode())
    else:
        show_model(described)
    raise typer.Exit(0 if state.version is not None else 1)


@app.command()
def export(out: Annotated[Path | None, typer.Option(help=OUT_HELP, show_default=False)] = None) -> None:
    """Make the ONNX graphs of the encoder with what was trained folded in, fp32 and int8, where they are not there yet.

    The first start makes the one that it needs by itself; this does it before, when an image is built, say.

    Example:
    namesake model export
    """
    from app.assembly import graphs
    from app.model_files import weights_of
    from model.encoder import make_graph
    from model.encoder_weights import graph_path, is_whole

    settings = command_settings()
    weights, cache = weights_of(settings), graphs(settings)
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision in precisions:
        target = graph_path(weights.name, out or cache, precision)
        if is_whole(target):
            _say_graph(precision, target, "already there")
            continue
        with writing(target):
            graph = make_graph(weights, cache, precision)
            if graph != target:
                _copy(graph, target)
        _say_graph(precision, target, "written")


@app.command()
def manifest(
    scores: Annotated[list[Path] | None, typer.Option("--scores", help=SCORES_HELP, show_default=False)] = None,
) -> None:
    """Write the manifest of the shipped weights anew, after files in model/weights were replaced or measured.

    Scores of other files than those that are there now are left out.

    Example:
    namesake model manifest --scores d2kb.json --scores a2kb.json
    """
    from app.model_files import model_version
    from model.manifest import FOLDER, NAME, read_manifest, read_scores, renew

    settings = command_settings().model_copy(update={"adapter": "shipped", "scorer": None})
    path = FOLDER / NAME
    with writing(path):
        changed = renew({})
        if scores:
            version = model_version(settings)
            renew({}, [read_scores(file, version) for file in scores])
    now = read_manifest()
    total = sum(file.bytes for file in now.files.values())
    typer.echo(f"{path} names {len(now.files)} files of {total:,} bytes; evaluations: {len(now.scores)}")
    for name in changed:
        typer.echo(f"changed: {name}; see that what it says of how that was made is right")
    if not now.scores:
        typer.echo("There are no scores of these files: measure them, and give the results with --scores")


def _described(state: ModelState) -> dict[str, Any]:
    """Return what is known of the model, as JSON."""
    from model.manifest import ModelFilesError, read_manifest

    described: dict[str, Any] = {"version": state.version, "ok": state.version is not None, "date": None}
    files = [asdict(file) for file in state.files]
    described |= {"files": files, "knowledge_base": None, "scores": []}
    try:
        named = read_manifest()
    except ModelFilesError:  # each shipped file tells so
        return described
    for file in files:
        known = named.files.get(Path(file["path"]).name) if file["shipped"] and not file["problem"] else None
        if known:
            file |= known.model_dump(mode="json", include={"date", "made", "learned_from"})
    if state.is_shipped:
        described["date"] = max(file["date"] for file in files if "date" in file)
        described["knowledge_base"] = named.knowledge_base
        described["scores"] = [measured.model_dump(mode="json") for measured in named.scores]
    return described


def _copy(graph: Path, target: Path) -> None:
    """Copy a graph and, last, its hash, without which it would not be taken for whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".sha256").unlink(missing_ok=True)
    shutil.copyfile(graph, target)
    shutil.copyfile(graph.with_suffix(".sha256"), target.with_suffix(".sha256"))


def _say_graph(precision: Precision, graph: Path, state: str) -> None:
    digest = graph.with_suffix(".sha256").read_text()
    typer.echo(f"{precision}  {graph.stat().st_size:>11,} bytes  sha256 {digest}  {state}")
    typer.echo(f"      {visible(str(graph))}")
