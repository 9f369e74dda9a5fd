import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from model.evaluation import Corpus, CorpusError, Selection, read_documents
from model.types import Span


def write(path: Path, *rows: Any) -> Path:
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines, encoding="utf-8")
    return path


def row(name: str = "d1", /, **changes: Any) -> dict[str, Any]:
    mention = {"start": 0, "end": 2, "entity": "A"}
    return {"id": name, "text": "äb cd", "mentions": [mention]} | changes


def mention(**changes: Any) -> dict[str, Any]:
    return row(mentions=[{"start": 0, "end": 2, "entity": "A"} | changes])


@pytest.mark.parametrize("name", ["news.jsonl", "news.jsonl.gz"])
def test_reads_documents_with_defaults(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, row(), "", row("d2", source="web", page="P", evaluation_span=[1, 4], mentions=[]))
    first, second = read_documents(path)
    assert (first.id, first.source, first.text) == ("d1", "news", "äb cd")
    assert [(m.start, m.end, m.entity, m.kind) for m in first.mentions] == [(0, 2, "A", "gold")]
    assert first.evaluation_span is None
    assert (first.page, second.page) == (None, "P")
    assert (second.source, second.evaluation_span, second.mentions) == ("web", Span(1, 4), ())


@pytest.mark.parametrize(
    ("line", "field", "remedy"),
    [
        ("{", "not JSON", "one document a line"),
        ('"text"', "not a JSON object", "id, text and mentions"),
        ('{"id": "\\ud800"}', "not JSON", "UTF-8"),
        (row(id=""), "field id", "non-empty string"),
        (row(id=7), "field id", "non-empty string"),
        (row(text=None), "field text: is missing", "string"),
        (row(source=3), "field source", "string"),
        (row(page=7), "field page", "string"),
        (row(mentions=None), "field mentions", "write []"),
        (row(mentions=[7]), "mentions[0]: not a JSON object", "start, end and entity"),
        (mention(start=None), "mentions[0]", "whole numbers"),
        (mention(start=True), "mentions[0]", "whole numbers"),
        (mention(end=1.5), "mentions[0]", "whole numbers"),
        (mention(end=6), "offsets [0, 6) do not fit a text of 5 characters", "end exclusive"),
        (mention(end=0), "offsets [0, 0)", "start before end"),
        (mention(start=-1), "offsets [-1, 2)", "code points"),
        (row(mentions=[{"start": 0, "end": 1}]), "mentions[0].entity: is missing", "write null"),
        (mention(entity=""), "mentions[0].entity", "null"),
        (mention(entity=4), "mentions[0].entity", "null"),
        (mention(kind="PER"), "mentions[0].kind: 'PER'", "coref, gold"),
        (mention(kind=["gold"]), "mentions[0].kind", "coref, gold"),
        (row(evaluation_span=4), "evaluation_span", "[start, end]"),
        (row(evaluation_span=[3, 2]), "evaluation_span", "start before end"),
        (row(mentions=[{"start": 0, "end": 1, "entity": e} for e in "AB"]), "annotated twice", "nested"),
    ],
)
def test_a_mistake_is_told_with_line_field_and_remedy(tmp_path: Path, line: Any, field: str, remedy: str) -> None:
    path = write(tmp_path / "news.jsonl", row("first"), "", line)
    with pytest.raises(CorpusError) as caught:
        list(read_documents(path))
    assert "news.jsonl, line 3" in caught.value.detail
    assert field in caught.value.detail
    assert remedy in caught.value.remedy
    assert str(tmp_path) not in str(caught.value)


def test_the_same_span_may_also_be_neutral(tmp_path: Path) -> None:
    both = [{"start": 0, "end": 1, "entity": "A"}, {"start": 0, "end": 1, "entity": "B", "kind": "nested"}]
    (document,) = read_documents(write(tmp_path / "a.jsonl", row(mentions=both)))
    assert [m.entity for m in document.counting()] == ["A"]
    assert [m.entity for m in document.neutral()] == ["B"]


def test_ids_are_unique_within_and_across_files(tmp_path: Path) -> None:
    twice = write(tmp_path / "a.jsonl", row("x"), row("x"))
    with pytest.raises(CorpusError, match="line 2: field id: 'x' was used before"):
        list(read_documents(twice))
    one, other = write(tmp_path / "b.jsonl", row("x")), write(tmp_path / "c.jsonl", row("x"))
    with pytest.raises(CorpusError, match=r"'x' is also in b\.jsonl"):
        Corpus((one, other)).check()
    with pytest.raises(CorpusError, match="give each file once"):
        Corpus((one, one)).check()


def test_unreadable_files(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"id": "d"}\n' * 1000)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-20])
    (tmp_path / "not.jsonl.gz").write_bytes(b"plain")
    for name in ("cut.jsonl.gz", "not.jsonl.gz", "none.jsonl", "text.csv"):
        with pytest.raises(CorpusError, match=name):
            list(read_documents(tmp_path / name))


def ids(corpus: Corpus) -> list[str]:
    return [document.id for document in corpus]


def test_selection(tmp_path: Path) -> None:
    rows = [row(f"d{n:02}", source="even" if n % 2 == 0 else "odd") for n in range(40)]
    path = write(tmp_path / "a.jsonl", *rows)
    assert ids(Corpus((path,), Selection(limit=3))) == ["d00", "d01", "d02"]
    assert ids(Corpus((path,), Selection(("odd",), limit=2))) == ["d01", "d03"]
    small = ids(Corpus((path,), Selection(sample=5, seed=1)))
    large = ids(Corpus((path,), Selection(sample=20, seed=1)))
    assert len(small) == 5
    assert set(small) < set(large)
    assert large == sorted(large)
    assert small != ids(Corpus((path,), Selection(sample=5, seed=2)))
    assert len(ids(Corpus((path,), Selection(sample=99)))) == 40
    summary = Corpus((path,), Selection(("odd",))).check()
    assert (summary.documents, summary.mentions, summary.sources) == (20, 20, ("odd",))
    with pytest.raises(CorpusError, match="no documents with source none"):
        Corpus((path,), Selection(("none",))).check()


def test_selection_is_made_for_each_file(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{name}.jsonl", *(row(f"{name}{n}") for n in range(5))) for name in "ab"]
    assert ids(Corpus(tuple(paths), Selection(limit=2))) == ["a0", "a1", "b0", "b1"]
    assert len(ids(Corpus(tuple(paths), Selection(sample=3)))) == 6


def test_gold_without_a_capital_counts_neither_way_where_names_alone_are_scored(tmp_path: Path) -> None:
    text = "Lincoln loves football and the iPhone."
    kinds = [(0, 7, "gold"), (14, 22, "gold"), (31, 37, "gold"), (31, 34, "nested")]
    gold = [{"start": start, "end": end, "entity": "X", "kind": kind} for start, end, kind in kinds]
    path = write(tmp_path / "names.jsonl", row(text=text, mentions=gold))
    every, named = Corpus((path,)), Corpus((path,), Selection(named=True))
    assert [m.key for document in every for m in document.counting()] == [(0, 7), (14, 22), (31, 37)]
    assert [m.key for document in named for m in document.counting()] == [(0, 7), (31, 37)]
    assert [m.key for document in named for m in document.neutral()] == [(14, 22), (31, 34)]
