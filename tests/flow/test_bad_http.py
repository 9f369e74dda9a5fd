"""What is not even HTTP, or lies about its length, over a real connection: a problem, and the service goes on."""

import gzip
import socket
from email.parser import BytesParser
from urllib.parse import urlsplit

import httpx2
import pytest
from starter_service import RunningService

from app.schemas.problem import PROBLEM_TYPE, Problem

HEAD = b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = b'{"text": "Paris is in France."}'
PROBLEMS = {
    "a length that is too short": HEAD + b"Content-Length: 5\r\n\r\n" + BODY,
    "a negative length": HEAD + b"Content-Length: -5\r\n\r\n" + BODY,
    "a length in words": HEAD + b"Content-Length: many\r\n\r\n" + BODY,
    "a length beyond all numbers": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + BODY,
    "two lengths": HEAD + b"Content-Length: 31\r\nContent-Length: 32\r\n\r\n" + BODY,
    "a chunk without a length": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
    "no length and a body": HEAD + b"\r\n" + BODY,
    "a path of 200,000 letters": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in a path": b"GET /v1/entities/a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method that does not exist": b"LINK2 /v1/annotate HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x00\xff\xfe\r\n\r\n",
}
CUT_OFF = {
    "a body shorter than its length": HEAD + b"Content-Length: 100\r\n\r\n" + BODY,
    "a chunk that is cut off": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1f\r\n" + BODY[:5],
    "a head that is cut off": HEAD[:40],
}


def connect(service: RunningService) -> socket.socket:
    address = urlsplit(service.base_url)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=30)


def is_alive(service: RunningService) -> bool:
    answer = httpx2.post(f"{service.base_url}/v1/annotate", content=BODY, headers={"Content-Type": "application/json"})
    return answer.status_code == 200 and len(answer.json()["mentions"]) == 2


@pytest.mark.parametrize("name", PROBLEMS)
def test_http_that_is_none_is_a_problem(running_service: RunningService, name: str) -> None:
    with connect(running_service) as connection:
        connection.sendall(PROBLEMS[name])
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        headers = BytesParser().parsebytes(b"".join(iter(stream.readline, b"\r\n")))
        found = Problem.model_validate_json(stream.read(int(headers["content-length"])))
    assert (status, headers["content-type"]) == (400, PROBLEM_TYPE)
    assert (found.status, found.instance) == (status, headers["x-request-id"])
    assert found.errors[0].remedy
    assert is_alive(running_service)


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_caller_that_hangs_up_breaks_nothing(running_service: RunningService, name: str) -> None:
    with connect(running_service) as connection:
        connection.sendall(CUT_OFF[name])
    assert is_alive(running_service)


def test_a_compressed_body_is_refused_with_what_to_do(running_service: RunningService) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = httpx2.post(f"{running_service.base_url}/v1/annotate", content=gzip.compress(BODY), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["field"] == "Content-Encoding"
    assert "without compression" in answer.json()["errors"][0]["remedy"]
    unnamed = httpx2.post(
        f"{running_service.base_url}/v1/annotate",
        content=gzip.compress(BODY),
        headers={"Content-Type": "application/json"},
    )
    assert (unnamed.status_code, unnamed.json()["type"]) == (400, "urn:namesake:problem:invalid-json")
    assert is_alive(running_service)
