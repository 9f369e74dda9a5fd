"""`namesake weak-label`: find mentions that nobody linked, to train on."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.terminal import CommandError, command_settings

if TYPE_CHECKING:
    from kb.candidates import SnapshotSearch
    from model.evaluation.corpus import LabelledDocument
    from model.training.weak_labels import Rule, WeakLabeller
    from model.training.weak_precision import Judgement

PERSON_LABELS = frozenset({"person", "human"})
ENDINGS = (".jsonl", ".jsonl.gz")

DOCUMENTS_HELP = "Labelled documents (.jsonl or .jsonl.gz)."
SOURCE_HELP = "Only documents of this source; may be repeated."
SAMPLE_HELP = "Documents with links to estimate the precision on; 0 for no estimate."
PERSON_HELP = (
    "Type of people, whose surnames are labelled; may be repeated. [default: the types called person or human]"
)


def weak_label(
    documents: Annotated[list[Path], typer.Argument(help=DOCUMENTS_HELP)],
    out: Annotated[Path, typer.Option(help="File to write (.jsonl or .jsonl.gz).", show_default=False)],
    source: Annotated[list[str] | None, typer.Option(help=SOURCE_HELP, show_default=False)] = None,
    person: Annotated[list[str] | None, typer.Option(help=PERSON_HELP, show_default=False)] = None,
    sample: Annotated[int, typer.Option(min=0, help=SAMPLE_HELP)] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    force: Annotated[bool, typer.Option("--force", "--overwrite", help="Overwrite a file that exists.")] = False,
) -> None:
    """Add mentions that nobody linked and that are most likely right, of the kind "weak".

    These are a page's own names in its own text, names that only one entity bears, and further occurrences of words
    that a document links. Tells how many, and how often they agree with links that were hidden from it.

    Example:
    namesake weak-label train.jsonl.gz --out train-weak.jsonl.gz --source wiki-prose
    """
    from app.assembly import snapshot_folders
    from app.progress import step_bars
    from kb.candidates import SnapshotSearch
    from kb.exporters.jsonl import write_jsonl
    from model.evaluation.corpus_lines import CorpusError
    from model.training.weak_labels import WeakLabeller
    from model.training.weak_precision import Judge

    settings = command_settings()
    _check_out(out, force=force)
    search = SnapshotSearch(snapshot_folders(settings).open_current())
    labeller = WeakLabeller(search, search, _persons(search, person or []))
    work = _Pass(labeller, sample, seed)
    try:
        with step_bars() as progress:
            write_jsonl(out, work.rows(documents, frozenset(source or ()), progress))
    except CorpusError as error:
        raise CommandError(error.detail, error.remedy) from None
    typer.echo(f"{work.documents:,} documents, {work.known_pages:,} of them from pages about an entity")
    judgement = Judge(labeller, search, search).judge(work.sample()) if sample else None
    for line in _table(work.added, judgement):
        typer.echo(line)
    if judgement:
        typer.echo(_EXPLANATION.format(documents=len(work.sample())))


_EXPLANATION = (
    "An estimate: the links of {documents:,} documents were hidden, and their labels compared with the links of "
    "exactly the same words. Pages do not link to themselves, so links with a page's own names mostly mean something "
    "else."
)


@dataclass(slots=True)
class _Pass:
    """One pass over all documents, and what it counted."""

    labeller: WeakLabeller
    sample_size: int
    seed: int
    documents: int = 0
    known_pages: int = 0
    added: Counter[Rule] = field(default_factory=Counter)
    _kept: list[tuple[int, int, LabelledDocument]] = field(default_factory=list)

    def rows(
        self, paths: list[Path], sources: frozenset[str], progress: Callable[[str, int, int], None]
    ) -> Generator[dict[str, Any]]:
        """Yield the documents with their weak labels.

        Raises:
            CorpusError: a file is not as it should be.
            CommandError: no document is of the sources that were asked for.
        """
        from model.training.weak_labels import with_labels

        for row, document in _read(paths, progress):
            if sources and document.source not in sources:
                continue
            labels = self.labeller.label(document)
            self.documents += 1
            self.known_pages += self.labeller.knows_page(document)
            self.added.update(label.rule for label in labels)
            self._keep(document)
            yield with_labels(row, labels)
        if not self.documents:
            raise CommandError("There are no documents to label", "check the files and --source")

    def sample(self) -> list[LabelledDocument]:
        """Return the documents to estimate on: those with links that have the smallest hashes."""
        return [document for _, _, document in sorted(self._kept, key=lambda item: -item[1])]

    def _keep(self, document: LabelledDocument) -> None:
        from model.evaluation.corpus import stable_hash
        from model.training.weak_labels import TRUE_KINDS

        if self.sample_size and any(mention.kind in TRUE_KINDS for mention in document.mentions):
            rank = int.from_bytes(stable_hash(self.seed, document.id), "big")
            push = heapq.heappush if len(self._kept) < self.sample_size else heapq.heappushpop
            push(self._kept, (-rank, -self.documents, document))


def _read(
    paths: list[Path], progress: Callable[[str, int, int], None]
) -> Iterator[tuple[dict[str, Any], LabelledDocument]]:
    """Yield all documents, whose ids are unique over the files."""
    from model.evaluation.corpus import read_rows
    from model.evaluation.corpus_lines import CorpusError, open_lines

    # Counting lines takes a hundredth of the time of labelling, and says how long that will take.
    total = sum(1 for path in paths for _ in open_lines(path))
    seen: dict[str, int] = {}
    done = 0
    for order, path in enumerate(paths):
        for row, document in read_rows(path):
            if len(paths) > 1 and seen.setdefault(document.id, order) != order:
                other = paths[seen[document.id]].name
                detail = f"{path.name}: document id {document.id!r} is also in {other}"
                raise CorpusError(detail, "give each file once, and ids that are unique across files")
            yield row, document
            done += 1
            if done % 500 == 0 or done == total:
                progress("labelling", done, total)


def _check_out(out: Path, *, force: bool) -> None:
    if not out.name.endswith(ENDINGS):
        raise CommandError(f"{out}: labelled documents have another ending", "name a file .jsonl or .jsonl.gz")
    if not out.parent.is_dir():
        raise CommandError(f"{out.parent}: there is no such folder", "make it, or name another file with --out")
    if out.is_dir():
        raise CommandError(f"{out} is a folder", "name a file with --out")
    if out.exists() and not force:
        raise CommandError(f"{out} exists already", "name another file with --out, or add --force")


def _persons(search: SnapshotSearch, wanted: list[str]) -> list[str]:
    known = search.types_known
    for name in wanted:
        if name not in known.rows:
            raise CommandError(f"--person: the knowledge base has no type {name!r}", "give the id of one of its types")
    return wanted or [record.id for record in known.records if record.label.casefold() in PERSON_LABELS]


def _table(added: Counter[Rule], judgement: Judgement | None) -> Iterator[str]:
    """Yield a line for each rule: how many labels it gave, and how good they are."""
    from model.training.weak_labels import Rule

    for rule in Rule:
        line = f"{rule.value:<42}{added[rule]:>10,}"
        if judgement is not None:
            share = judgement.precision(rule)
            right = (
                "no hidden link" if share is None else f"{share:.1%} right of {judgement.judged[rule]:,} hidden links"
            )
            line += f"   {right}, {judgement.crossing[rule]:,} cross one, of {judgement.given[rule]:,} labels"
        yield line
    yield f"{'weak labels':<42}{added.total():>10,}"
