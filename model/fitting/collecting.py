"""What weights are learned from: the features of documents' mentions, and how mentions are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.evaluation.corpus import LabelledDocument, stable_hash
from model.fitting.detection import fit_detection
from model.fitting.examples import Example, Unseen, every_mention, examples
from model.fitting.pages import PageCounts, page_of
from model.fitting.regression import Regression
from model.linker import Linker

HELD_OUT = 0.15  # of the pages, for calibration
BLOCK = 64
MOST_PARTIAL = 2000  # documents with links that detection is learned from, beside the exhaustive ones

Progress = Callable[[str, int, int], None]


def as_it_is(document: LabelledDocument) -> LabelledDocument:
    """Return a document unchanged."""
    return document


class FitError(ValueError):
    """The documents do not teach what is to be learned; `detail` says what is missing, `remedy` what to do."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}; {remedy}")
        self.detail = detail
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Collected:
    """What weights are learned from, however many times.

    Attributes:
        documents: how many there are, those with every mention marked not counted.
        kept, held_out: their mentions, to learn ranking from and to calibrate on.
        marked: mentions of documents in which every one is marked, to learn ranking from, too.
        exhaustive: documents in which every mention is marked, to learn from when to answer.
        partial: documents in which links are marked and nothing else, to learn the same from.
        pages: what each page taught the KB.
        detection: how mentions are found.
    """

    documents: int
    kept: list[Example]
    held_out: list[Example]
    marked: list[Example]
    exhaustive: Sequence[LabelledDocument]
    partial: Sequence[LabelledDocument]
    pages: PageCounts
    detection: Regression


def collect(
    linker: Linker,
    training: Sequence[LabelledDocument],
    pages: PageCounts,
    exhaustive: Sequence[LabelledDocument],
    counted: frozenset[str],
    seed: int,
    progress: Progress,
    unseen: Unseen = every_mention,
    seen: Sequence[LabelledDocument] = (),
    shortened: Callable[[LabelledDocument], LabelledDocument] = as_it_is,
) -> Collected:
    """Compute the features of documents' mentions, and fit mention detection.

    Args:
        training: documents whose mentions are links, for ranking and calibration.
        pages: what each page of all these documents taught the KB.
        exhaustive: documents in which every mention is marked, for detection, and for ranking too.
        counted: sources of `training` in which alias occurrences were counted, for detection too.
        unseen: which mentions of `training` to learn ranking and calibration from.
        seen: exhaustive documents whose mentions the encoder learned to find: they teach no detection, but when to
            answer.
        shortened: makes names of a document ambiguous (`model.substitution`), before ranking is learned from it. How
            sure an answer is, is learned from documents as they are.

    Raises:
        FitError: the documents name no entity of the KB, are of too few pages, or mark no mention in full.
    """
    made: list[Example] = []
    for start in range(0, len(training), BLOCK):
        block = training[start : start + BLOCK]
        block = [document if _is_held_out(document.id, seed) else shortened(document) for document in block]
        made.extend(examples(linker, block, pages, seed + start, unseen))
        progress("examples", min(start + BLOCK, len(training)), len(training))
    kept = [example for example in made if not _is_held_out(example.document, seed)]
    held_out = [example for example in made if _is_held_out(example.document, seed)]
    _check_use(kept, held_out, exhaustive)
    # Which of their names the KB lacks is marked: nothing has to be taken for absent.
    marked = list(examples(linker, exhaustive, pages, seed, nil_share=0.0))
    partial = [document for document in training if document.source in counted]
    partial.sort(key=lambda d: (not all(unseen(d)), stable_hash(seed, "partial", d.id)))
    detection = fit_detection(linker, exhaustive, partial[:MOST_PARTIAL], pages, seed)
    return Collected(
        documents=len(training),
        kept=kept,
        held_out=held_out,
        marked=marked,
        exhaustive=[*exhaustive, *seen],
        partial=[document for document in partial[:MOST_PARTIAL] if all(unseen(document))],
        pages=pages,
        detection=detection,
    )


def _check_use(kept: Sequence[Example], held_out: Sequence[Example], exhaustive: Sequence[LabelledDocument]) -> None:
    for part, name in ((kept, "learned from"), (held_out, "held out for the calibration")):
        if not any((example.gold[example.counts] >= 0).any() for example in part):
            raise FitError(
                f"no mention that could be {name} names an entity of the knowledge base among its candidates",
                f"give documents of this knowledge base, of enough pages (one in {1 / HELD_OUT:.0f} is held out)",
            )
    if not any(document.mentions for document in exhaustive):
        raise FitError(
            "no document has all its mentions marked", "give some with --exhaustive, to learn detection from"
        )


def _is_held_out(document: str, seed: int) -> bool:
    return int.from_bytes(stable_hash(seed, "held out", page_of(document))[:4], "big") / 2**32 < HELD_OUT
