"""`namesake evaluate`: score the linker and its baselines on labelled documents."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from model.evaluation import Corpus, Evaluation, KnowledgeBase, Linker, Settings
    from model.ned_base import NedBase
    from model.scorer import FeatureScorer

    Other = tuple[str, FeatureScorer | NedBase]

Mode = Literal["d2kb", "a2kb"]

SYSTEM = "namesake"
BASELINES = ("prior-only", "cosine-only")

BENCHMARK_HELP = "Labelled documents (.jsonl or .jsonl.gz); may be repeated."
MODE_HELP = "d2kb: gold mentions are given. a2kb: plain text, mentions are to be found too."
WEIGHTS_HELP = "Weights that `namesake fit` wrote, as another system with the file's name; may be repeated."
NED_BASE_HELP = "File of the baseline ned-base, as another system: see docs/ablations.md."
SOURCE_HELP = "Only documents of this source; may be repeated."
NAMED_HELP = "Gold without a capital letter counts neither way: scores of named entities alone."


def evaluate_command(
    benchmark: Annotated[list[Path], typer.Option("--benchmark", "-b", help=BENCHMARK_HELP, show_default=False)],
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="More benchmarks.", show_default=False)
    ] = None,
    mode: Annotated[Mode, typer.Option(help=MODE_HELP)] = "d2kb",
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP, show_default=False)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N documents of each file.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only N random documents of each file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the bootstrap and the error examples.")] = 0,
    named: Annotated[bool, typer.Option("--named", help=NAMED_HELP)] = False,
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Leave out links below this probability.")] = 0.0,
    examples: Annotated[int, typer.Option(min=0, help="Error examples to keep of each kind.")] = 10,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here; - for standard output.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write index.html with pictures into this folder.")] = None,
    weights: Annotated[list[Path] | None, typer.Option(help=WEIGHTS_HELP, show_default=False)] = None,
    ned_base: Annotated[Path | None, typer.Option(help=NED_BASE_HELP, show_default=False)] = None,
) -> None:
    """Measure how well names are linked, beside the baselines prior-only and cosine-only.

    Prints precision, recall and F1, accuracy, candidate recall, slices by
    training count, NIL, calibration and kinds of errors, each for all systems
    and for each source of documents. docs/evaluation.md defines every number.

    Examples:
    namesake evaluate --benchmark wiki-fair-v2.jsonl.gz

    namesake evaluate --benchmark benchmarks/*.jsonl.gz --mode a2kb --json results.json --report report

    namesake evaluate --benchmark dev.jsonl.gz --source wiki-prose --sample 200
    """
    if limit is not None and sample is not None:
        raise CommandError("There is a --limit and a --sample", "give one of them")
    from model.evaluation import Corpus, Selection, Settings

    corpus = Corpus((*benchmark, *(more or ())), Selection(tuple(source or ()), limit, sample, seed, named))
    others = _others(weights or [], ned_base)
    documents = _check(corpus)
    _make_folders(json, report)
    run_settings = Settings(min_confidence=min_confidence, seed=seed, examples=examples)
    publish(_evaluate(corpus, documents, mode, run_settings, others), json, report)


def _others(weights: list[Path], ned_base: Path | None) -> list[Other]:
    """Read the files of systems to compare with, so that one which cannot be used is told at once.

    Raises:
        CommandError: two systems would have the same name.
        ScorerError, NedBaseError: a file cannot be used.
    """
    from model.ned_base import NAME, read_ned_base
    from model.scorer import load_scorer

    names = [SYSTEM, *BASELINES, NAME, *(path.stem for path in weights)]
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        raise CommandError(f"Two systems would be called {min(doubles)}", "give each file of --weights another name")
    found: list[Other] = [(path.stem, load_scorer(path)) for path in weights]
    return found if ned_base is None else [*found, (NAME, read_ned_base(ned_base))]


def _check(corpus: Corpus) -> int:
    """Read the files once and return the number of documents.

    Raises:
        CommandError: a mistake in a file: told now, not after an hour of linking.
    """
    from model.evaluation import CorpusError

    try:
        return corpus.check().documents
    except CorpusError as error:
        raise CommandError(error.detail, error.remedy) from None


def _make_folders(json: Path | None, report: Path | None) -> None:
    """Make the folders to write to now, so that a wrong path is told before an hour of linking.

    Raises:
        CommandError: one cannot be made, or is a file.
    """
    for folder in (json.parent if json else None, report):
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{folder} cannot be written to: {error.strerror}", "name another folder") from None
    if json is not None and json.is_dir():
        raise CommandError(f"{json} is a folder", "name a file for --json")


def _evaluate(corpus: Corpus, documents: int, mode: Mode, settings: Settings, others: Sequence[Other]) -> Evaluation:
    from app.service import open_service
    from model.scorer import FeatureScorer

    with open_service(command_settings(), build=True) as service:
        systems: dict[str, Linker] = {SYSTEM: service.linker}
        systems |= {name: service.baseline(name) for name in BASELINES}
        for name, made in others:
            linker = service.linker
            systems[name] = linker.weighted(made) if isinstance(made, FeatureScorer) else linker.ned_base(made)
        return run(corpus, documents, systems, service.knowledge_base, mode, settings)


def run(
    corpus: Corpus, documents: int, systems: Mapping[str, Linker], kb: KnowledgeBase, mode: Mode, settings: Settings
) -> Evaluation:
    """Evaluate under a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from model.evaluation import evaluate

    text, done = TextColumn("{task.description}"), MofNCompleteColumn()
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(text, BarColumn(), done, *times, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Linking with {len(systems)} systems", total=documents * len(systems))
        return evaluate(corpus, systems, kb, mode, lambda n: progress.advance(task, n), settings)


def publish(evaluation: Evaluation, json: Path | None, report: Path | None) -> None:
    """Print the tables, and write the files that were asked for; with JSON on standard output, tables go beside it."""
    from rich.console import Console

    from model.evaluation.terminal import print_evaluation

    to_stdout = json is not None and str(json) == "-"
    console = Console(stderr=to_stdout, highlight=False)
    print_evaluation(evaluation, console)
    if json is not None:
        import orjson

        data = orjson.dumps(evaluation.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        if to_stdout:
            sys.stdout.write(data.decode())
        else:
            json.write_bytes(data)
            console.print(f"Numbers: {json}", soft_wrap=True)
    if report is not None:
        from model.evaluation.report import write_report

        console.print(f"Report: {write_report(evaluation, report)}", soft_wrap=True)
