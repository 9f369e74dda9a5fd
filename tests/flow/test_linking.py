"""The whole path over the starter KB: the same name means different entities in different sentences."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest

from model.types import Document, LinkOptions, Span

if TYPE_CHECKING:
    from starter_service import RunningService

    from app.service import Service

SENTENCES = [
    ("Mercury is the planet nearest the Sun.", "Mercury", "Mercury_(planet)"),
    ("Michael Jordan won six NBA titles with the Chicago Bulls.", "Michael Jordan", "Michael_Jordan"),
    ("Amman is the capital of Jordan, which borders Syria and Iraq.", "Jordan", "Jordan"),
    ("Turkey shares a border with Georgia and Armenia.", "Georgia", "Georgia_(country)"),
    ("Jaguar unveiled a new luxury sports car.", "Jaguar", "Jaguar_Cars"),
    ("Paris is the capital of France.", "Paris", "Paris"),
]


@pytest.mark.parametrize(("text", "name", "entity"), SENTENCES)
def test_a_name_means_what_its_sentence_says(starter_service: Service, text: str, name: str, entity: str) -> None:
    start = text.index(name)
    document = Document("sentence", text, (Span(start, start + len(name)),))
    (answer,) = starter_service.linker.link([document], LinkOptions(max_candidates=5))
    (link,) = answer.links
    assert link.entity == entity, [(candidate.entity, candidate.score) for candidate in link.candidates]


def test_common_words_are_no_mentions(starter_service: Service) -> None:
    (answer,) = starter_service.linker.link([Document("x", "They may go there one time, of course.")], LinkOptions())
    assert [link.text for link in answer.links if link.entity] == []


def test_given_mentions_are_answered_in_their_order(starter_service: Service) -> None:
    text = "\U0001f600 Cafe\u0301 in Paris and Rome \u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd"
    spans = (Span(18, 22), Span(10, 15), Span(2, 7), Span(0, 1), Span(23, 30))
    (answer,) = starter_service.linker.link([Document("x", text, spans)], LinkOptions())
    assert [Span(link.start, link.end) for link in answer.links] == list(spans)


@pytest.mark.parametrize("nothing", [" ", ",", "\n", " — ", "\u200b", "?!"])
def test_a_given_mention_without_a_letter_is_nil(starter_service: Service, nothing: str) -> None:
    text = f"Paris{nothing}France"
    (answer,) = starter_service.linker.link([Document("x", text, (Span(5, 5 + len(nothing)),))], LinkOptions())
    assert [link.entity for link in answer.links] == [None]


def test_a_server_answers_over_http(running_service: RunningService) -> None:
    body = json.dumps({"text": "Paris is the capital of France."}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{running_service.base_url}/v1/annotate", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        answer = json.load(response)
    assert {mention["entity"]["id"] for mention in answer["mentions"] if mention["entity"]} >= {"Paris", "France"}


@pytest.mark.parametrize(
    ("query", "found"),
    [("mercur", "Mercury_(planet)"), ("Abrahm Lincoln", "Abraham_Lincoln"), ("JFK", "John_F._Kennedy")],
)
def test_entities_are_found_as_one_types(running_service: RunningService, query: str, found: str) -> None:
    address = f"{running_service.base_url}/v1/entities?q={query.replace(' ', '%20')}"
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310
        assert found in [hit["id"] for hit in json.load(response)["entities"]]


def test_an_export_is_imported_without_a_change(running_service: RunningService, tmp_path: object) -> None:
    files = [f"{tmp_path}/entities.jsonl.gz", f"{tmp_path}/types.jsonl", f"{tmp_path}/predicates.jsonl"]
    options = [files[0], "--types", files[1], "--predicates", files[2]]
    env = running_service.env
    subprocess.run(["namesake", "kb", "export", *options], env=env, check=True)
    done = subprocess.run(
        ["namesake", "kb", "import", *options, "--dry-run"], env=env, check=True, capture_output=True, text=True
    )
    told = re.search(r"0 would be added, 0 would be changed, ([\d,]+) unchanged, 0 rejected", done.stdout)
    assert told is not None, done.stdout
    assert int(told[1].replace(",", "")) >= 4483
