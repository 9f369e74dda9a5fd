"""Parts of a large input: read one by one, they are what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from app.bulk import parts
from app.bulk.parts import cut_into_parts, input_files, read_part
from app.jobs import reading
from app.jobs.reading import Columns, UnreadableInput, read_documents


def texts(count: int) -> list[dict[str, str]]:
    return [{"id": str(number), "text": "ä" * (number % 7)} for number in range(count)]


@pytest.mark.parametrize("most", [1, 3, 50])
@pytest.mark.parametrize("size", [30, 1 << 20])
def test_parts_of_lines_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, size: int) -> None:
    monkeypatch.setattr(parts, "PART_DOCUMENTS", most)
    monkeypatch.setattr(parts, "PART_BYTES", size)
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 100)
    lines = [json.dumps(row) for row in texts(20)]
    lines[3:3] = ["", "{", "x" * 250, "  "]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n\xef\xbb\xbf" + "\n".join(lines).encode())
    found = list(cut_into_parts([path, path], Columns()))
    assert [part.number for part in found] == list(range(len(found)))
    assert [part.first for part in found] == [sum(one.items for one in found[:at]) for at in range(len(found))]
    assert all(0 < part.items <= most for part in found)
    assert [item for part in found for item in read_part(part, Columns())] == [
        *read_documents(path, "jsonl", Columns())
    ] * 2


@pytest.mark.parametrize("most", [1, 3, 50])
def test_parts_of_parquet_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(parts, "PART_DOCUMENTS", most)
    monkeypatch.setattr(reading, "ROWS", 4)
    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(texts(23)), path, row_group_size=5)
    found = list(cut_into_parts([path], Columns()))
    assert [item for part in found for item in read_part(part, Columns())] == texts(23)
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    assert [part.items for part in cut_into_parts([path], Columns())] == [1] * 23


def test_a_folder_is_its_files_by_name(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/c.parquet", "_notes/x.csv", ".hidden", "c.ndjson"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in input_files(tmp_path)] == ["c.parquet", "b.jsonl", "c.ndjson"]
    (tmp_path / "d.jsonl.gz").touch()
    with pytest.raises(UnreadableInput, match=r"d\.jsonl\.gz is neither"):
        input_files(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableInput, match="there are no"):
        input_files(tmp_path / "empty")


def test_a_missing_column_is_told_before_the_work(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(texts(1)), tmp_path / "in.parquet")
    with pytest.raises(UnreadableInput, match="no column body"):
        list(cut_into_parts([tmp_path / "in.parquet"], Columns("body", "id")))
