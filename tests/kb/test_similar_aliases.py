"""Misspelt names, looked up among the names of a snapshot; and how often names are links in a corpus."""

from __future__ import annotations

from pathlib import Path

import marisa_trie
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA
from snapshots import Builder

from kb.candidates import SnapshotSearch
from kb.index.aliases import FUZZY_MIN_LENGTH, fuzzy_keys
from kb.normalise import normalise
from kb.occurrences import count_occurrences
from kb.records import AliasRecord, EntityRecord
from model.encoder import Encoder

NAMES = [
    "Merkel",
    "Markel",
    "Angela Merkel",
    "Bern",
    "Berne",
    "São Paulo",
    "Mississippi",
    "Springfield",
    "Łódź",
    "AC/DC",
]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, starter_home: Path) -> SnapshotSearch:
    builder = Builder(tmp_path_factory.mktemp("similar"), encoder, starter_home / "cache" / "encodings")
    records = [EntityRecord(name, name, aliases=(AliasRecord(name, 10 - row),)) for row, name in enumerate(NAMES)]
    builder.build(records)
    return SnapshotSearch(builder.folders.open_current())


def similar(search: SnapshotSearch, surface: str) -> list[str]:
    """Return the similar names, as they are stored."""
    return [search.snapshot.aliases.restore_key(row) for row in search.similar_aliases(surface)]


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("Merkel", ["merkel", "markel"]),
        ("Mrekel", ["merkel"]),
        ("Merkl", ["merkel"]),
        ("Merkell", ["merkel"]),
        ("MERKEL", ["merkel", "markel"]),
        ("Mxrkel", ["merkel", "markel"]),
        ("Angela Merekl", ["angela merkel"]),
        ("Angela Mrekle", ["angela merkel"]),
        ("Angla Mxrkl", []),
        ("Misissipi", ["mississippi"]),
        ("Sprngfield", ["springfield"]),
        ("Sao Paolo", ["sao paulo"]),
        ("Berne", ["berne"]),
        ("Bern", []),
        ("Brn", []),
        ("", []),
        ("x" * 1000, []),
        ("😀😀😀😀😀", []),
    ],
)
def test_similar_names(search: SnapshotSearch, surface: str, expected: list[str]) -> None:
    assert similar(search, surface) == expected


def test_every_slip_in_a_short_name_is_forgiven(search: SnapshotSearch) -> None:
    """One letter left out, doubled, replaced or exchanged with the next, anywhere in the name."""
    name = "merkel"
    slips = {name[:at] + name[at + 1 :] for at in range(6)} | {name[:at] + "x" + name[at + 1 :] for at in range(6)}
    slips |= {name[:at] + name[at] + name[at:] for at in range(6)}
    slips |= {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(5)}
    missed = {slip for slip in slips if len(slip) >= FUZZY_MIN_LENGTH and "merkel" not in similar(search, slip)}
    assert missed == set()


@given(st.text(min_size=0, max_size=12))
def test_similar_names_are_at_most_two_slips_away(search: SnapshotSearch, surface: str) -> None:
    name = normalise(surface)
    for alias in similar(search, surface):
        assert OSA.distance(name, alias) <= (1 if len(name) < 9 else 2)


@given(st.text(min_size=1, max_size=20), st.integers(0, 6))
def test_a_letter_less_among_the_first_shares_a_key(name: str, at: int) -> None:
    assert fuzzy_keys(name)
    shorter = name[:at] + name[at + 1 :]
    if shorter and at < len(name) <= 7:
        assert fuzzy_keys(name) & fuzzy_keys(shorter)


def test_what_a_snapshot_knows_of_a_name(search: SnapshotSearch) -> None:
    assert search.alias_row("  łódź ") == search.alias_row("Łódź") >= 0
    assert search.alias_row("nobody") == -1
    row = search.alias_row("merkel")
    bearers, counts = search.bearers(row)
    assert [search.entity_id(int(bearer)) for bearer in bearers] == ["Merkel"]
    assert counts.tolist() == [10]
    assert search.alias_statistics(np.array([row])).tolist() == [[10, 0, 0, 0, 0]]


MAY = [
    ("May I? You may. May came.", {(11, 14)}),
    ("In May it may rain.", {(3, 6)}),
    ("you may", set()),
    ("MAY", {(0, 3)}),
    ("Maypole, dismay", set()),
]


def test_documents_are_counted_once_a_form() -> None:
    """Of four documents with `may`, the three with a capital are apart from the three without one."""
    trie = marisa_trie.Trie(["may", "you", "never"])
    assert count_occurrences(trie, MAY) == {"may": (3, 2, 3, 1), "you": (1, 0, 1, 0)}


@pytest.mark.parametrize("text", ["", "   ", "nothing of it", "😀"])
def test_documents_without_names(text: str) -> None:
    assert count_occurrences(marisa_trie.Trie(["may"]), [(text, set())]) == {}


def test_a_link_must_have_the_same_span() -> None:
    trie = marisa_trie.Trie(["new york", "york"])
    counts = count_occurrences(trie, [("Café, New  York.", {(6, 15)})])
    assert counts == {"new york": (1, 1, 0, 0), "york": (1, 0, 0, 0)}


@given(st.lists(st.sampled_from(MAY), max_size=8))
def test_counts_of_documents_add_up(documents: list[tuple[str, set[tuple[int, int]]]]) -> None:
    trie = marisa_trie.Trie(["may", "you"])
    together = count_occurrences(trie, documents)
    summed: dict[str, tuple[int, ...]] = {}
    for document in documents:
        for alias, numbers in count_occurrences(trie, [document]).items():
            before = summed.get(alias, (0, 0, 0, 0))
            summed[alias] = tuple(a + b for a, b in zip(before, numbers, strict=True))
    assert together == summed
    for upper, upper_links, lower, lower_links in together.values():
        assert upper_links <= upper <= len(documents)
        assert lower_links <= lower <= len(documents)
