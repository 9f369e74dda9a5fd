"""`namesake fit`: learn the weights of the feature scorer from labelled documents."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.labelled import SOURCE_HELP, read_labelled
from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from app.settings import Settings
    from model.evaluation.corpus import LabelledDocument
    from model.fitting.collecting import Progress
    from model.fitting.examples import Unseen
    from model.fitting.fit import FitReport

DOCUMENTS_HELP = "Documents (.jsonl or .jsonl.gz) whose mentions are links, and whose links the KB's counts come from."
EXHAUSTIVE_HELP = "Documents in which every mention is marked, to learn detection from, and when to answer."
COUNTED_HELP = (
    "Source that `namesake count-links` was run on, to learn detection and when to answer from, too; may be repeated."
)
HELD_OUT_HELP = (
    "Learn only from the mentions that the encoder's training held out: of these very documents, the others look too "
    "easy."
)
WITHOUT_HELP = "Group of features that gets no weight, to measure what it is worth; may be repeated. Needs --out."
ABLATIONS_HELP = "Write the weights with all features, and those without each group, into this folder instead."
SUBSTITUTION_HELP = (
    "Share of the full names in the documents that give way to ambiguous, shorter ones: most links are full names, but "
    "most texts that are linked are not."
)


def fit(
    documents: Annotated[list[Path], typer.Option("--documents", help=DOCUMENTS_HELP, show_default=False)],
    exhaustive: Annotated[list[Path], typer.Option("--exhaustive", help=EXHAUSTIVE_HELP, show_default=False)],
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP, show_default=False)] = None,
    counted: Annotated[list[str] | None, typer.Option(help=COUNTED_HELP, show_default=False)] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help=HELD_OUT_HELP)] = False,
    sample: Annotated[int, typer.Option(min=10, help="Documents of each source to learn from.")] = 1500,
    alias_substitution: Annotated[float, typer.Option(min=0, max=1, help=SUBSTITUTION_HELP)] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the absent entities and the held-out pages.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write the weights; the shipped ones by default.")] = None,
    version: Annotated[str, typer.Option(help="Name of the weights, shown in every answer.")] = "features-1",
    without: Annotated[
        list[str] | None, typer.Option("--without", metavar="GROUP", help=WITHOUT_HELP, show_default=False)
    ] = None,
    ablations: Annotated[
        Path | None, typer.Option("--ablations", metavar="DIR", help=ABLATIONS_HELP, show_default=False)
    ] = None,
) -> None:
    """Fit the weights of the feature scorer: ranking, NIL, calibration, mention detection, and when to answer.

    What a page itself added to the counts is left out while learning from it, and a share of the pages is kept for the
    calibration.

    Example:
    namesake fit --documents train.jsonl.gz --exhaustive gum-train.jsonl.gz --source wiki-prose --held-out
    """
    from app.progress import step_bars
    from app.service import open_database
    from model.fitting.collecting import FitError, collect
    from model.fitting.examples import every_mention
    from model.fitting.fit import learn, save, untrained
    from model.fitting.pages import PageCounts, page_of
    from model.fitting.usage import LinkEncoder
    from model.manifest import is_shipped
    from model.scorer import FeatureScorer

    settings = command_settings()
    wanted = _wanted(out, without or [], ablations)
    for weights_file in wanted:
        _make_folder(weights_file)
    every = list(read_labelled(documents, source))
    whole: list[LabelledDocument] = list(read_labelled(exhaustive))
    seen: list[LabelledDocument] = []
    chosen = every
    unseen: Unseen = every_mention
    if held_out:
        unseen, whole, seen = _unseen(settings, whole)
        chosen = [document for document in every if any(unseen(document))]
    chosen = _sample(chosen, sample, seed)
    if not chosen:
        raise CommandError("There are no documents to learn from", "check --documents and --source")
    from app.assembly import encodings, open_pipeline

    with open_database(settings) as engine, step_bars() as progress:
        shortened = _shortened(settings, engine, alias_substitution, seed, progress)
        linker = open_pipeline(settings, FeatureScorer(untrained()))
        try:
            pages = PageCounts(linker.source, linker.store, {page_of(document.id) for document in (*chosen, *whole)})
            pages.add(every)
            pages.add_usage(every, LinkEncoder(linker.encoder, encodings(settings)), progress)
            collected = collect(
                linker, chosen, pages, whole, frozenset(counted or ()), seed, progress, unseen, seen, shortened
            )
            for weights_file, groups in wanted.items():
                named = version + "".join(f"-without-{group}" for group in groups)
                report = learn(linker, collected, named, seed, groups)
                save(report.weights, weights_file)
                typer.echo(f"{weights_file}:\n{report.summary()}" if ablations else report.summary())
                if is_shipped(weights_file):
                    _renew_manifest(weights_file, report)
        except FitError as error:
            raise CommandError(error.detail, error.remedy) from error


def _shortened(
    settings: Settings, engine: Engine, rate: float, seed: int, progress: Progress
) -> Callable[[LabelledDocument], LabelledDocument]:
    """Return what makes names of a document ambiguous."""
    from app.known_entities import read_names
    from model.fitting.collecting import as_it_is
    from model.substitution import substitute

    if not rate:
        return as_it_is
    names = read_names(settings, engine, progress)
    return lambda document: substitute(document, names, rate, seed)


def _wanted(out: Path | None, without: list[str], ablations: Path | None) -> dict[Path, tuple[str, ...]]:
    """Return the files to write, each with the groups of features that it does without.

    Raises:
        CommandError: the options contradict each other, or there is no such group.
    """
    from model.fitting.ablations import GROUPS, check_groups
    from model.scorer import WEIGHTS

    if ablations is not None:
        if out is not None or without:
            raise CommandError("--ablations writes its own files", "leave --out and --without away")
        return {ablations / "full.json": ()} | {ablations / f"without-{name}.json": (name,) for name in GROUPS}
    try:
        check_groups(without)
    except ValueError as error:
        raise CommandError("--without cannot be used", str(error)) from None
    if without and out is None:
        raise CommandError("Weights without some features must not replace the shipped ones", "name a file with --out")
    return {out or WEIGHTS: tuple(without)}


def _renew_manifest(weights: Path, report: FitReport) -> None:
    """Let the manifest of the shipped weights name the new ones; scores of those before are left out."""
    from model.manifest import Origin, renew

    command = shlex.join(["namesake", *sys.argv[1:]])
    learned_from = f"The documents of that command: {report.documents:,}, with {report.mentions:,} mentions."
    renew({weights.name: Origin(made=command, learned_from=learned_from)})
    typer.echo("The manifest has no scores of these weights: measure them, then namesake model manifest --scores FILE")


def _unseen(
    settings: Settings, exhaustive: list[LabelledDocument]
) -> tuple[Unseen, list[LabelledDocument], list[LabelledDocument]]:
    """Return which mentions the encoder's training held out, the exhaustive documents that it did, and the others.

    Those are the mentions of held-out pages, and on other pages those of held-out entities: their words were read, but
    nobody told what they mean.
    """
    from app.assembly import open_adapter
    from model.training.documents import page_name, page_number
    from model.training.split import Split

    adapter = open_adapter(settings)
    if adapter is None:
        raise CommandError("NAMESAKE_ADAPTER is none: nothing was held out", "leave --held-out away")
    seed = int(adapter.held_out["seed"])
    some = Split(adapter.held_out["pages"], adapter.held_out["entities"], seed)
    whole = Split(adapter.held_out["exhaustive"], seed=seed)

    def unseen(document: LabelledDocument) -> list[bool]:
        page = some.page_held_out(page_number(page_name(document)))
        return [page or (m.entity is not None and some.entity_held_out(m.entity)) for m in document.mentions]

    unread: list[LabelledDocument] = []
    read: list[LabelledDocument] = []
    for document in exhaustive:
        (unread if whole.page_held_out(page_number(page_name(document))) else read).append(document)
    return unseen, unread, read


def _make_folder(file: Path) -> None:
    """Make the folder to write to now, so that a wrong path is told before an hour of fitting.

    Raises:
        CommandError: it cannot be made or written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{file.parent} cannot be made: {error.strerror}", "name another file with --out") from None
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise CommandError(f"{file} cannot be written", "name another file with --out")


def _sample(documents: list[LabelledDocument], size: int, seed: int) -> list[LabelledDocument]:
    """Return `size` documents of each source, always the same ones for a seed."""
    from model.evaluation.corpus import stable_hash

    chosen: list[LabelledDocument] = []
    for source in sorted({document.source for document in documents}):
        pool = [document for document in documents if document.source == source and document.mentions]
        chosen.extend(sorted(pool, key=lambda document: stable_hash(seed, document.id))[:size])
    return chosen
