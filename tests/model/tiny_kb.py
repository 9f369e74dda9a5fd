"""A knowledge base so small that what the linker computes from it can be checked by hand."""

from __future__ import annotations

from kb.records import AliasRecord, EntityRecord, PredicateRecord, RelationRecord, TypeRecord

PARIS_NAMES = ("Opera", "Metro", "Review", "Commune", "Agreement", "Match", "Masters", "Fashion")

TYPES = [TypeRecord("place", "place"), TypeRecord("city", "city", "place"), TypeRecord("person", "person")]
PREDICATES = [PredicateRecord("country", "country")]
NAMED = [
    EntityRecord(
        "Paris",
        "Paris",
        "capital of France on the Seine",
        aliases=(AliasRecord("Paris", 90),),
        types=("city",),
        relations=(RelationRecord("country", "France"),),
        popularity=90,
    ),
    EntityRecord(
        "Paris_(mythology)",
        "Paris",
        "prince of Troy who carried off Helen",
        aliases=(AliasRecord("Paris", 10),),
        types=("person",),
        popularity=10,
    ),
    EntityRecord("Paris,_Texas", "Paris, Texas", None, aliases=(AliasRecord("Paris", 0),), popularity=3),
    EntityRecord(
        "France", "France", "country in Europe", aliases=(AliasRecord("France", 50),), types=("place",), popularity=50
    ),
    EntityRecord(
        "Troy",
        "Troy",
        "city of the Iliad",
        aliases=(AliasRecord("Troy", 7), AliasRecord("Ilium", 2)),
        types=("city",),
        popularity=9,
    ),
]
MANY = [
    EntityRecord(f"Paris_{word}_{number}", f"Paris {word}", aliases=(AliasRecord(f"Paris {word}", 5 + number),))
    for word in PARIS_NAMES
    for number in range(5)
]
ENTITIES = [*NAMED, *MANY]
