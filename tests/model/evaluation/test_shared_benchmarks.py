"""The development benchmarks read as their README says."""

from collections import Counter
from pathlib import Path

import pytest
from evaluation_helpers import perfect

from model.evaluation import Corpus, Settings, evaluate, read_documents

pytestmark = pytest.mark.shared

SIZES = {
    "benchmarks/wiki-fair-v2.jsonl.gz": (120, 2650),
    "benchmarks/news-fair-v2.jsonl.gz": (120, 1476),
    "benchmarks/tweeki.jsonl.gz": (500, 864),
    "benchmarks/gum.jsonl.gz": (24, 960),
    "corpora/dev.jsonl.gz": (2288, 19823),
    "corpora/gum-train.jsonl.gz": (84, 2790),
}


@pytest.mark.parametrize("name", sorted(SIZES))
def test_sizes_and_offsets(shared_data: Path, name: str) -> None:
    documents = mentions = 0
    for document in read_documents(shared_data / name):
        documents += 1
        mentions += len(document.mentions)
        assert all(0 <= m.start < m.end <= len(document.text) for m in document.mentions)
    assert (documents, mentions) == SIZES[name]


def test_what_counts_in_wiki_fair(shared_data: Path) -> None:
    documents = list(read_documents(shared_data / "benchmarks/wiki-fair-v2.jsonl.gz"))
    assert all(document.evaluation_span is not None for document in documents)
    counting = [m for document in documents for m in document.counting()]
    assert (len(counting), sum(m.entity is not None for m in counting)) == (1817, 736)
    neutral = Counter(m.kind for document in documents for m in document.neutral())
    assert neutral == {"coref": 484, "nested": 301, "optional": 48}


def test_dev_has_three_sources(shared_data: Path) -> None:
    summary = Corpus((shared_data / "corpora/dev.jsonl.gz",)).check()
    assert summary.sources == ("wiki-prose", "wiki-list", "wiki-table")


def test_perfect_answers_to_all_benchmarks(shared_data: Path) -> None:
    class Everything:
        def contains(self, entity: str) -> bool:
            return bool(entity)

        def training_count(self, entity: str) -> int:
            return len(entity)

    corpus = Corpus(tuple(sorted((shared_data / "benchmarks").iterdir())))
    documents = list(corpus)
    script = perfect(documents, Everything())
    evaluation = evaluate(corpus, {"perfect": script}, Everything(), "a2kb", settings=Settings(resamples=20))
    assert [group.name for group in evaluation.groups] == ["gum", "news-fair-v2", "tweeki", "wiki-fair-v2", "all"]
    for group in evaluation.groups:
        scores = group.systems["perfect"]
        assert scores.links.micro.f1 == scores.links.macro.f1 == 1.0
        assert scores.nil is not None
        assert scores.nil.f1 == 1.0
