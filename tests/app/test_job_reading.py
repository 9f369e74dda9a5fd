"""Documents out of files of every kind, and out of what only looks like one."""

import io
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from app.jobs import reading
from app.jobs.reading import Columns, Reject, UnreadableInput, read_documents

TEXTS = ["Paris is on the Seine.", "Łódź lies in Poland.", "東京 🚀"]
DOCUMENTS = [{"id": f"d{n}", "text": text} for n, text in enumerate(TEXTS)]


def jsonl(path: Path) -> None:
    path.write_bytes(b"".join(reading.orjson.dumps(row) + b"\n" for row in DOCUMENTS))


def csv(path: Path) -> None:
    path.write_text("id,other,text\n" + "".join(f'd{n},x,"{text}"\n' for n, text in enumerate(TEXTS)), encoding="utf-8")


def parquet(path: Path) -> None:
    table = pyarrow.table({"other": [1, 2, 3], "id": [row["id"] for row in DOCUMENTS], "text": TEXTS})
    pyarrow.parquet.write_table(table, path)


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ignored.md", "x")
        for row in DOCUMENTS:
            archive.writestr(f"{row['id']}.txt", row["text"])


def folder(path: Path) -> None:
    path.mkdir()
    (path / "ignored.md").write_text("x")
    for row in DOCUMENTS:
        (path / f"{row['id']}.txt").write_text(row["text"], encoding="utf-8")


WRITERS: dict[str, Callable[[Path], None]] = {
    "jsonl": jsonl,
    "csv": csv,
    "parquet": parquet,
    "zip": packed,
    "folder": folder,
}


def read(path: Path, kind: str, **columns: str) -> list[Any]:
    return list(read_documents(path, kind, Columns(**columns)))


def refused(item: Any) -> str:
    assert isinstance(item, Reject), item
    assert all(error.field and error.detail and error.remedy for error in item.errors)
    return f"{item.place}: {item.errors[0].detail}"


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file(tmp_path: Path, kind: str) -> None:
    WRITERS[kind](tmp_path / "file")
    found = [{name: value for name, value in item.items() if value} for item in read(tmp_path / "file", kind)]
    ending = ".txt" if kind in {"zip", "folder"} else ""
    assert found == [{"id": row["id"] + ending, "text": row["text"]} for row in DOCUMENTS]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"PAR1 nonsense PAR1", b"\0\xff" * 1000, b"{" * 9999])
def test_what_is_no_such_file_is_told(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
        path = path / "a.txt"
    path.write_bytes(content)
    found: list[Any] = []
    with suppress(UnreadableInput):
        found = read(tmp_path / "file", kind)
    assert all(isinstance(item, Reject) or isinstance(item["text"], str) for item in found)


def test_lines_that_hold_no_document(tmp_path: Path) -> None:
    path = tmp_path / "file"
    lines = [
        b'\xef\xbb\xbf{"text":"a","id":7}',
        b"",
        b"[1]",
        b'{"txt":"b"}',
        b'{"text":"caf\xe9"}',
        b'{"text":"c"',
        b'{"text":"d"}',
    ]
    path.write_bytes(b"\r\n".join(lines))
    first, *middle, last = read(path, "jsonl")
    assert (first["id"], first["text"], last["text"]) == ("7", "a", "d")
    said = [refused(item) for item in middle]
    for place, detail in zip(said, ("not a JSON object", "missing", "0xe9", "not JSON"), strict=True):
        assert detail in place
    assert [item.partition(":")[0] for item in said] == ["line 3", "line 4", "line 5", "line 6"]


def test_a_line_of_50_megabytes_is_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(b'{"text":"a"}\n{"text":"')
        file.writelines(b"x" * 1_000_000 for _ in range(50))
        file.write(b'"}\n{"text":"b"}\n')
    first, large, last = read(path, "jsonl")
    assert (first["text"], last["text"]) == ("a", "b")
    assert refused(large).startswith("line 2: it has more than")


def test_columns_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("key;body\n")
    with pytest.raises(UnreadableInput, match="no column body, only key;body"):
        read(tmp_path / "a.csv", "csv", text="body")
    (tmp_path / "b.csv").write_text("key,body\n1,Paris\n")
    (found,) = read(tmp_path / "b.csv", "csv", text="body", id="key")
    assert found == {"id": "1", "text": "Paris"}
    pyarrow.parquet.write_table(pyarrow.table({"key": [1], "body": ["Paris"]}), tmp_path / "c")
    (found,) = read(tmp_path / "c", "parquet", text="body", id="key")
    assert found == {"id": "1", "text": "Paris"}
    with pytest.raises(UnreadableInput, match=r"no column text, only key, body: .*text_field"):
        read(tmp_path / "c", "parquet")


def test_rows_that_hold_no_document(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'id,text\n1,"two\nlines"\n2\n3,caf\xe9\n4,ok\n')
    good, short, foreign, last = read(path, "csv")
    assert (good["text"], last["text"]) == ("two\nlines", "ok")
    assert "too short" in refused(short)
    assert "UTF-8" in refused(foreign)
    with path.open("wb") as file:
        file.write(b'id,text\n1,"')
        file.writelines(b"x" * 1_000_000 for _ in range(50))
        file.write(b'"\n2,ok\n')
    found = read(path, "csv")
    assert "not CSV" in refused(found[0])
    assert found[-1] == {"id": "2", "text": "ok"}


def test_files_in_a_zip_that_are_no_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    bomb = b"\0" * 200_000_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", bomb)
        archive.writestr("latin.txt", "café".encode("latin-1"))
        archive.writestr("../../etc/passwd.txt", "root")
        archive.writestr("good.txt", "Paris")
    assert path.stat().st_size < 300_000
    large, foreign, outside, good = read(path, "zip")
    assert "bomb.txt: it has more than" in refused(large)
    assert "0xe9" in refused(foreign)
    assert outside == {"id": "../../etc/passwd.txt", "text": "root"}
    assert good["text"] == "Paris"
    monkeypatch.setattr(reading, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(UnreadableInput, match="unpacks to more than"):
        read(path, "zip")


def test_what_in_a_folder_is_no_file(tmp_path: Path) -> None:
    folder(tmp_path / "file")
    os.mkfifo(tmp_path / "file" / "pipe.txt")
    (tmp_path / "file" / "below.txt").mkdir()
    (tmp_path / "file" / "below.txt" / "deep.txt").write_text("Paris")
    found = [item["id"] for item in read(tmp_path / "file", "folder")]
    assert found == ["below.txt/deep.txt", "d0.txt", "d1.txt", "d2.txt"]


def test_a_zip_that_was_damaged(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "Paris " * 100)
        archive.writestr("b.txt", "London")
    raw = bytearray(stream.getvalue())
    raw[100] ^= 0xFF
    (tmp_path / "file").write_bytes(raw)
    damaged, good = read(tmp_path / "file", "zip")
    assert "cannot be unpacked" in refused(damaged)
    assert good["text"] == "London"
    (tmp_path / "file").write_bytes(raw[:-30])
    with pytest.raises(UnreadableInput, match="not a zip"):
        read(tmp_path / "file", "zip")
