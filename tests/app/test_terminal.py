"""The commands in this process, over a service that is open already: reading, showing, refusing."""

import io
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from api_client import serving
from rich.cells import cell_len
from rich.console import Console

from app import cli
from app.commands.serve import open_listener
from app.schemas.answers import OneAnswer
from app.service import Service
from app.show import show_answer
from app.terminal import CommandError, explain, visible
from kb.index.writer import SnapshotWriter

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    starter_service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Run:
    monkeypatch.setenv("NAMESAKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NAMESAKE_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(
        "app.service.open_service",
        lambda settings, build: nullcontext(replace(starter_service, settings=settings)),  # noqa: ARG005
    )

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["namesake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        printed = capsys.readouterr()
        return int(exit_.value.code or 0), printed.out, printed.err

    return call


TEXT = "Paris is the capital of France. Zorblax Quuxwort is not."


def test_link_shows_text_entity_description_and_confidence(run: Run, starter_service: Service) -> None:
    code, out, _ = run("link", TEXT, "--candidates", "2")
    assert code == 0
    for expected in (
        TEXT,
        "capital of France, on the Seine",
        "Candidates of Paris (0 to 5)",
        "meaning\u00a0",
        f"kb_version {starter_service.kb_version}",
    ):
        assert expected in out


@pytest.mark.parametrize("width", [30, 79, 80, 200])
def test_nothing_is_cut_whatever_the_width(run: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = run("link", TEXT, "--candidates", "2")
    assert code == 0
    assert "…" not in out
    shown = out.removeprefix(TEXT).partition("kb_version")[0]
    assert all(cell_len(line) <= width for line in shown.splitlines())
    for word in ("Seine,", "Eiffel", "fashion", "houses"):
        assert word in shown


def test_colours_are_for_terminals_that_want_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in run("link", TEXT)[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("link", TEXT)[1].startswith("\x1b[1;4;36mParis\x1b[0m is the capital")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("link", TEXT)[1].startswith("\x1b[1;4mParis\x1b[0m is the capital")


def test_a_mention_of_nothing_is_shown_as_nil(starter_service: Service) -> None:
    with serving(starter_service) as client:
        body = {"text": "Zorblax saw Quuxwort.", "mentions": [{"start": 12, "end": 20}]}
        answer = client.post("/v1/disambiguate", json=body).json()
    out = io.StringIO()
    show_answer(body["text"], answer, Console(file=out, width=100))
    line = next(line for line in out.getvalue().splitlines() if line.startswith("Quuxwort"))
    assert "NIL" in line
    assert "not in the knowledge base" in line


def test_link_prints_the_answer_of_the_api_as_json(run: Run, starter_service: Service) -> None:
    code, out, _ = run("link", TEXT, "--json")
    assert code == 0
    answer = OneAnswer.model_validate_json(out, extra="forbid")
    assert answer.mentions[0].entity
    assert answer.mentions[0].entity.id == "Paris"
    with serving(starter_service) as client:
        assert client.post("/v1/annotate", json={"text": TEXT}).json() == json.loads(out)


def test_link_reads_files_and_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"\xef\xbb\xbfParis\r\n")
    code, out, _ = run("link", "--file", str(tmp_path / "text.txt"), "--json")
    assert (code, '"start": 0' in out) == (0, True)
    for arguments in (["--file", "-"], ["-"]):
        code, out, _ = run("link", *arguments, stdin="Paris é".encode())
        assert (code, out.splitlines()[0]) == (0, "Paris é")


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ([], b"", "There is no text to link"),
        (["text", "--file", "x"], b"", "There is a text and a file"),
        ([""], b"", "The text is empty"),
        (["--file", "-"], b"", "The text is empty"),
        (["--file", "-"], b"ab\n\xff", "not UTF-8: byte 3 (line 2) is 0xff"),
        (["-", "--file", "x"], b"", "There is a text and a file"),
        (["--file", "no/such/file"], b"", "There is no file no/such/file"),
        (["--file", "."], b"", "is a directory"),
        (["a\udcff"], b"", "U+DCFF at code point 1 is half of a surrogate pair"),
        (["--type", "no-such", "a"], b"", "types.0: the knowledge base has no type no-such"),
        (["--language", "?", "a"], b"", "language"),
        (["--candidates", "31", "a"], b"", "Usage"),
        (["--min-confidence", "2", "a"], b"", "Usage"),
    ],
)
def test_link_refuses_with_a_remedy_and_exit_code_2(run: Run, arguments: list[str], stdin: bytes, said: str) -> None:
    code, out, err = run("link", *arguments, stdin=stdin)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAMESAKE_MAX_TEXT_CHARS", "10")
    (tmp_path / "large").write_bytes(b"x" * 41)
    code, _, err = run("link", "--file", str(tmp_path / "large"))
    assert code == 2
    assert "NAMESAKE_MAX_TEXT_CHARS" in err
    (tmp_path / "long").write_bytes(b"x" * 11)
    assert "11 code points, at most 10" in run("link", "--file", str(tmp_path / "long"))[2]


def test_a_wrong_setting_ends_with_exit_code_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESAKE_PORT", "abc")
    for command in (["link", "a"], ["serve"], ["db", "status"]):
        code, _, err = run(*command)
        assert code == 2
        assert "NAMESAKE_PORT='abc' cannot be used" in err


def test_a_misspelt_setting_is_a_warning(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESAKE_PROT", "1")
    code, _, err = run("link", "a")
    assert (code, "did you mean NAMESAKE_PORT?" in err) == (0, True)


def test_a_port_in_use_is_named_with_the_setting(run: Run) -> None:
    with open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--port", str(port))
    assert code == 2
    assert f"Port {port} on 127.0.0.1 is in use" in err
    assert "NAMESAKE_PORT" in err


def test_an_address_of_another_machine_is_named_with_the_setting() -> None:
    with pytest.raises(CommandError, match="NAMESAKE_HOST"):
        open_listener("192.0.2.1", 0)


def test_the_listener_is_inherited_by_workers() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        assert os.get_inheritable(listener.fileno())
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_text_cannot_move_the_cursor() -> None:
    assert visible("a\x1b[2Jb\x07\x00\x7f\x9bc\td\n") == "a␛[2Jb␇␀␡\ufffdc\td\n"
    out = io.StringIO()
    answer = {"mentions": [], "warnings": [], "kb_version": 1, "model_version": "m"}
    show_answer("\x1b]0;title\x07", answer, Console(file=out, force_terminal=False))
    assert "\x1b" not in out.getvalue()


def test_db_status_starts_nothing(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("db", "status", "--json")
    assert (code, '"running": false' in out) == (0, True)
    assert not (tmp_path / "home").exists()


def test_version(run: Run) -> None:
    assert run("version")[0] == 0


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "numbers.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as full:
        SnapshotWriter(tmp_path).array("numbers", np.zeros(1_000_000))
    assert explain(full.value)
    told = capsys.readouterr().err
    assert f"{tmp_path}/numbers.npy: No space left on device" in told
    assert "free some space" in told
    assert not explain(OSError("something else"))
