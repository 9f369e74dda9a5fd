"""`namesake count-links` and `namesake encode-links`, as processes: what a corpus says reaches the answers."""

import json
from pathlib import Path

import pytest
from test_api_commands import run

from app.assembly import open_linker
from app.service import Service
from app.settings import Settings
from model.types import Document, LinkOptions, Span

# Nothing but their ids tells these two apart: no description, no relation, and each was linked as often.
ENTITIES = [
    {"id": f"Quoll_({number})", "label": "Quoll", "aliases": [{"text": "Quoll", "count": 9}], "popularity": 9}
    for number in (1, 2)
]
SAID = {
    "Quoll_(1)": [
        "The singer of {} plays the guitar on their new album.",
        "{} released an album and toured with the band.",
        "Fans of {} love the drummer and their first record.",
        "A rock concert of {} was sold out.",
    ],
    "Quoll_(2)": [
        "{} won the chess tournament with a bishop sacrifice.",
        "The grandmaster {} lost his queen in the opening.",
        "At the board, {} played the Sicilian defence.",
        "In the endgame {} had a rook and two pawns.",
    ],
}
ASKED = {
    "Quoll_(1)": "Critics praised the songs that Quoll recorded in the studio.",
    "Quoll_(2)": "After forty moves Quoll offered a draw to his opponent.",
}


def link(sentence: str, entity: str, source: str) -> dict[str, object]:
    start = sentence.index("{}")
    text = sentence.replace("{}", "Quoll")
    mention = {"start": start, "end": start + 5, "entity": entity}
    return {"id": f"{source}/{text}#0", "source": source, "text": text, "mentions": [mention]}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    file = tmp_path / "documents.jsonl"
    rows = [link(sentence, entity, "said") for entity, sentences in SAID.items() for sentence in sentences]
    rows += [link("{} is not here.", "Nowhere", "lost"), link("{} is not there.", "No\0where", "lost")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def answers(service: Service) -> list[str]:
    """Return which entity is the best for each name that is asked about."""
    settings = Settings(home=service.settings.home, namespace="quolls", database_url=None)
    linker = open_linker(settings, service.engine, build=False)
    asked = [Document(text, text, (Span(text.index("Quoll"), text.index("Quoll") + 5),)) for text in ASKED.values()]
    found = linker.link(asked, LinkOptions(max_candidates=1))
    linker.close()
    return [answer.links[0].candidates[0].entity for answer in found]


def test_entities_that_nothing_else_tells_apart_are_told_apart_by_how_they_are_written_about(
    starter_service: Service, starter_home: Path, tmp_path: Path, documents: Path
) -> None:
    entities = tmp_path / "entities.jsonl"
    entities.write_text("".join(json.dumps(row) + "\n" for row in ENTITIES))
    for command in (("kb", "import", str(entities)), ("index", "build")):
        assert run(starter_home, *command, NAMESAKE_NAMESPACE="quolls").returncode == 0
    assert answers(starter_service) != list(ASKED)
    done = run(starter_home, "encode-links", str(documents), "--namespace", "quolls")
    assert done.returncode == 0, done.stderr
    assert "Encoded 8 links to 2 entities. Build the index again to use them" in done.stdout
    assert "2 links lead to entities that are not here" in done.stderr
    assert run(starter_home, "index", "build", "--namespace", "quolls").returncode == 0
    assert answers(starter_service) == list(ASKED)


@pytest.mark.parametrize("command", ["count-links", "encode-links"])
@pytest.mark.usefixtures("starter_service")
def test_a_broken_line_is_named_and_nothing_is_changed(
    starter_home: Path, tmp_path: Path, documents: Path, command: str
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text(documents.read_text() + '{"id": "x"}\n')
    before = run(starter_home, "kb", "stats", "--json").stdout
    done = run(starter_home, command, str(broken))
    assert done.returncode == 2
    assert "line 11" in done.stderr
    assert run(starter_home, "kb", "stats", "--json").stdout == before


@pytest.mark.usefixtures("starter_service")
def test_no_documents_are_no_corpus(starter_home: Path, documents: Path) -> None:
    done = run(starter_home, "encode-links", str(documents), "--source", "news")
    assert done.returncode == 2
    assert done.stderr == "error: There are no documents to read\nremedy: check the files and --source\n"


@pytest.mark.usefixtures("starter_service")
def test_links_that_lead_nowhere_take_nothing_away(starter_home: Path, documents: Path) -> None:
    before = run(starter_home, "kb", "stats", "--json").stdout
    done = run(starter_home, "encode-links", str(documents), "--source", "lost")
    assert done.returncode == 2
    assert "None of 2 links leads to an entity of the knowledge base default" in done.stderr
    assert "what was encoded before stays" in done.stderr
    assert run(starter_home, "kb", "stats", "--json").stdout == before
