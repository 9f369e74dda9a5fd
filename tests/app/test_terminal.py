"""The commands, as far as they go without a model: reading, showing, refusing."""

import io
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_service, opened
from rich.console import Console

from app import cli
from app.commands.serve import open_listener
from app.show import show_answer
from app.terminal import CommandError, visible

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setenv("NAMESAKE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NAMESAKE_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("app.service.open_service", lambda settings, build: opened(fake_service(settings)))  # noqa: ARG005

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["namesake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        printed = capsys.readouterr()
        return int(exit_.value.code or 0), printed.out, printed.err

    return call


def test_link_shows_text_entity_description_and_confidence(run: Run) -> None:
    code, out, _ = run("link", "Lincoln is not Omaha.", "--candidates", "2")
    assert code == 0
    for expected in (
        "Lincoln is not Omaha.",
        "Q28260",
        "city in Nebraska",
        "0.90",
        "NIL",
        "prior\u00a0+1.50",
        "kb_version 7",
    ):
        assert expected in out


def test_link_prints_the_answer_of_the_api_as_json(run: Run) -> None:
    code, out, _ = run("link", "Lincoln", "--json")
    answer: dict[str, Any] = __import__("json").loads(out)
    assert code == 0
    assert answer["mentions"][0]["entity"]["id"] == "Q28260"


def test_link_reads_files_and_standard_input(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"\xef\xbb\xbfLincoln\r\n")
    code, out, _ = run("link", "--file", str(tmp_path / "text.txt"), "--json")
    assert (code, '"start": 0' in out) == (0, True)
    assert run("link", "--file", "-", stdin="Lincoln é".encode())[0] == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ([], b"", "There is no text to link"),
        (["text", "--file", "x"], b"", "There is a text and a file"),
        ([""], b"", "The text is empty"),
        (["--file", "-"], b"", "The text is empty"),
        (["--file", "-"], b"ab\n\xff", "not UTF-8: byte 3 (line 2) is 0xff"),
        (["--file", "no/such/file"], b"", "There is no file no/such/file"),
        (["--file", "."], b"", "is a directory"),
        (["a\udcff"], b"", "U+DCFF at code point 1 is half of a surrogate pair"),
        (["--type", "town", "a"], b"", "types.0: the knowledge base has no type town"),
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
