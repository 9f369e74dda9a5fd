"""Streams through a real server: answers come while lines are still being sent, and a slow reader is read slowly."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil
import pytest
from test_api_server import PATIENCE, server

HEAD = (
    "POST /v1/annotate/batch?candidates={candidates} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
MARGIN = 1 << 20


@pytest.fixture(scope="module")
def served(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, psutil.Process]]:
    with server(starter_home, tmp_path_factory.mktemp("log") / "log") as (process, client):
        yield int(client.base_url.port or 0), psutil.Process(process.pid)


def connect(port: int, candidates: int = 0) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    connection.sendall(HEAD.format(candidates=candidates).encode())
    return connection


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def answer_lines(connection: socket.socket) -> Iterator[bytes]:
    """Yield the lines of an answer as they come."""
    with connection.makefile("rb") as file:
        assert file.readline().startswith(b"HTTP/1.1 200")
        while file.readline().strip():
            pass
        rest = b""
        while size := int(file.readline(), 16):
            rest += file.read(size)
            file.readline()
            *whole, rest = rest.split(b"\n")
            yield from whole


def sent_until_nobody_reads(connection: socket.socket, content: bytes) -> int:
    """Send the same again and again; return how often it was sent whole before nothing more was taken."""
    for sent in range(1000):
        try:
            connection.sendall(content)
        except TimeoutError:
            return sent
    return 1000


def test_each_answer_comes_before_the_next_line_is_sent(served: tuple[int, psutil.Process]) -> None:
    with connect(served[0]) as connection:
        found = answer_lines(connection)
        for number in range(5):
            connection.sendall(chunk(orjson.dumps({"id": f"n{number}", "text": "Paris is on the Seine."}) + b"\n"))
            if number == 0:
                first = next(found)
                assert json.loads(first)["id"] == "n0"
            else:
                assert json.loads(next(found))["id"] == f"n{number}"
        connection.sendall(b"0\r\n\r\n")
        assert list(found) == []


def test_who_does_not_read_is_not_read_either_and_loses_nothing(served: tuple[int, psutil.Process]) -> None:
    port, process = served
    # Blanks make lines large without making them long to link.
    line = chunk(b'{"text": "Jordan, Lincoln, Mercury, Paris, Georgia."' + b" " * 200_000 + b"}\n")
    with connect(port, candidates=30) as connection:
        before = process.memory_info().rss
        connection.settimeout(5)
        sent = sent_until_nobody_reads(connection, line)
        assert 0 < sent < 500
        time.sleep(1)
        assert process.memory_info().rss - before < 100 * MARGIN
        # Others are served meanwhile.
        with connect(port) as other:
            other.sendall(chunk(b'{"text": "Paris"}\n') + b"0\r\n\r\n")
            assert len(list(answer_lines(other))) == 1
        found = answer_lines(connection)
        connection.settimeout(PATIENCE)
        for number in range(sent):
            assert json.loads(next(found))["id"] == str(number)


def test_a_stream_that_is_cut_off_ends_and_the_server_goes_on(served: tuple[int, psutil.Process]) -> None:
    port, _ = served
    with connect(port) as connection:
        connection.sendall(chunk(b'{"text": "Paris"}\n{"text": "Lin'))
    with connect(port) as connection:
        connection.sendall(chunk(b'{"text": "Paris"}') + b"0\r\n\r\n")
        assert [json.loads(line)["id"] for line in answer_lines(connection)] == ["0"]
