"""WordNet: a small sample in its own format, and the real files where they are installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kb_files import Kb, read_lines

from kb.importers.report import Counts, ImportFailed
from kb.records import AliasRecord, RelationRecord

REAL = Path("/usr/share/wordnet")

DATA = """\
  1 This software and database is being provided to you, the LICENSEE, by  
  2 WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved.  
00001740 03 n 01 entity 0 001 ~ 09239740 n 0000 | that which is perceived  
09239740 17 n 02 celestial_body 0 heavenly_body 0 002 @ 00001740 n 0000 ~ 09394007 n 0000 | natural objects visible in the sky  
09394007 17 n 02 planet 0 major_planet 0 002 @ 09239740 n 0000 ~i 09351408 n 0000 | a large body in orbit; "a planet"; "two planets"  
09351408 17 n 01 Mercury 0 003 @i 09394007 n 0000 #p 09442838 n 0000 + 00000001 a 0101 | the smallest planet; closest to the sun  
09442838 17 n 02 solar_system 0 Sol_(system) 0 001 @ 00001740 n 0000 | the sun with its bodies  
14645346 27 n 03 mercury 0 quicksilver 0 Hg 0 002 @ 00001740 n 0000 @ 99999999 n 0000 | a liquid metal  
"""  # noqa: E501, W291
INDEX = """\
  1 This software and database is being provided to you, the LICENSEE, by  
entity n 1 1 ~ 1 1 00001740  
celestial_body n 1 2 @ ~ 1 0 09239740  
planet n 1 2 @ ~ 1 1 09394007  
mercury n 2 3 @ @i #p 2 1 14645346 09351408  
solar_system n 1 1 @ 1 1 09442838  
"""  # noqa: W291
COUNTED = "mercury%1:17:00:: 2 3\nplanet%1:17:00:: 1 12\nhg%1:27:00:: 1 1\nmercury%3:01:00:: 1 50\nrubbish\n"


def sample(kb: Kb, data: str = DATA, name: str = "dict") -> Path:
    folder = kb.folder / name
    folder.mkdir()
    (folder / "data.noun").write_text(data)
    (folder / "index.noun").write_text(INDEX)
    (folder / "cntlist.rev").write_text(COUNTED)
    return folder / "data.noun"


def test_a_synset_is_an_entity_and_its_hypernyms_are_types(kb: Kb) -> None:
    report = kb.load(sample(kb), source="WordNet", licence="WordNet-3.0")
    assert (report.entities, report.unknown_types, report.unknown_predicates) == (Counts(read=6, added=6), [], [])
    assert report.pending_relations == 0
    records = kb.records()
    mercury = records["mercury.n.02"]
    assert (mercury.label, mercury.description, mercury.text) == (
        "Mercury",
        "the smallest planet; closest to the sun",
        None,
    )
    assert mercury.aliases == (AliasRecord("Mercury", 3),)
    assert mercury.types == ("planet.n.01",)
    assert mercury.relations == (
        RelationRecord("instance hypernym", "planet.n.01"),
        RelationRecord("part of", "solar_system.n.01"),
    )
    assert (mercury.xrefs, mercury.popularity, mercury.source) == ({"wordnet-3.0": "09351408-n"}, 3, "WordNet")
    planet = records["planet.n.01"]
    assert (planet.description, planet.text) == (
        "a large body in orbit",
        'a large body in orbit; "a planet"; "two planets"',
    )
    assert records["mercury.n.01"].aliases == (AliasRecord("Hg", 1), AliasRecord("mercury"), AliasRecord("quicksilver"))
    types = kb.sql("SELECT id, label, parent_id FROM type WHERE namespace = :namespace ORDER BY id")
    assert types == [
        ("celestial_body.n.01", "celestial body", "entity.n.01"),
        ("entity.n.01", "entity", None),
        ("planet.n.01", "planet", "celestial_body.n.01"),
    ]
    assert kb.load(sample(kb, name="again")).entities == Counts(read=6, changed=6)  # no source any more


def test_individuals_only(kb: Kb) -> None:
    report = kb.load(sample(kb), instances=True)
    assert list(kb.records()) == ["mercury.n.02"]
    assert report.types.added == 3


def test_a_dry_run_knows_the_types(kb: Kb) -> None:
    report = kb.load(sample(kb), dry_run=True)
    assert (report.entities.added, report.unknown_types, report.unknown_predicates) == (6, [], [])
    assert kb.sizes()["type"] == 0


def test_lines_that_are_no_synsets(kb: Kb) -> None:
    bad = [
        "rubbish",
        "00001741 03 n 02 one_word_of_two 0 000 | gloss",
        "00001742 03 v 01 verb 0 000 | gloss",
        "00001743 03 n 01 no_gloss 0 000",
        "00001744 03 n 01 pointers_cut 0 002 @ 00001740 n 0000 | gloss",
        "00001745 xx n 01 word 0 000 | gloss",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
    ]
    path = sample(kb, DATA + "\n".join(bad) + "\n" + "00001746 03 n 01 cut 0 00")
    report = kb.load(path)
    assert report.entities == Counts(read=14, added=6, rejected=8)
    assert {item["error"] for item in read_lines(Path(f"{path}.rejects.jsonl"))} == {"the line is no synset of nouns"}
    assert report.damage == f"{path} ends in the middle of line 16: copy it again."


def test_hypernyms_in_a_circle(kb: Kb) -> None:
    kb.load(sample(kb, DATA.replace("entity 0 001 ~ 09239740", "entity 0 001 @ 09394007")))
    parents = dict(kb.sql("SELECT id, parent_id FROM type WHERE namespace = :namespace"))
    assert sorted(parents) == ["celestial_body.n.01", "entity.n.01", "planet.n.01"]
    assert list(parents.values()).count(None) == 1
    assert len(kb.records()) == 6


def test_without_index_and_without_counts(kb: Kb) -> None:
    path = sample(kb)
    path.with_name("cntlist.rev").unlink()
    kb.load(path)
    assert kb.records()["mercury.n.02"].popularity == 0
    path.with_name("index.noun").unlink()
    with pytest.raises(ImportFailed, match=r"no index\.noun beside"):
        kb.load(path)


@pytest.fixture
def real() -> Path:
    if not (REAL / "data.noun").is_file():
        pytest.skip("wordnet: Debian's package wordnet-base is not installed")
    return REAL / "data.noun"


@pytest.mark.slow
def test_the_real_wordnet(kb: Kb, real: Path) -> None:
    path = Path(shutil.copy(real, kb.folder / "data.noun"))
    for name in ("index.noun", "cntlist.rev"):
        shutil.copy(real.with_name(name), kb.folder)
    report = kb.load(path, source="WordNet 3.0", licence="WordNet-3.0")
    assert report.entities == Counts(read=82_115, added=82_115)
    assert (report.damage, report.unknown_types, report.pending_relations) == (None, [], 0)
    with_hypernym = "SELECT count(*) FROM relation WHERE namespace = :namespace AND predicate_id = :name"
    assert kb.sql(with_hypernym, name="instance hypernym") == [(8577,)]
    names = dict(
        kb.sql("SELECT id, label FROM entity WHERE namespace = :namespace AND id LIKE 'mercury.n.%' ORDER BY id")
    )
    assert names == {f"mercury.n.0{n}": name for n, name in enumerate(("mercury", "Mercury", "Mercury", "mercury"), 1)}
    counted = kb.sql(
        "SELECT count FROM alias WHERE namespace = :namespace AND entity_id = 'paris.n.01' AND text = 'Paris'"
    )
    assert counted == [(20,)]
    roots = kb.sql("SELECT id FROM type WHERE namespace = :namespace AND parent_id IS NULL")
    assert roots == [("entity.n.01",)]
