"""People, places and groups that share short names, to make weak labels and to train the encoder among."""

from __future__ import annotations

from kb.records import AliasRecord, EntityRecord, TypeRecord

TYPES = [
    TypeRecord("person", "person"),
    TypeRecord("politician", "politician", "person"),
    TypeRecord("city", "city"),
    TypeRecord("band", "band"),
]
ENTITIES = [
    EntityRecord(
        "Abraham_Lincoln",
        "Abraham Lincoln",
        aliases=(AliasRecord("Lincoln", 30), AliasRecord("Honest Abe", 2), AliasRecord("Abraham Lincoln", 9)),
        types=("politician",),
        popularity=41,
    ),
    EntityRecord("Lincoln,_Nebraska", "Lincoln, Nebraska", aliases=(AliasRecord("Lincoln", 12),), types=("city",)),
    EntityRecord("Lincoln_Memorial", "Lincoln Memorial", aliases=(AliasRecord("The Memorial", 1),)),
    EntityRecord("Springfield,_Illinois", "Springfield, Illinois", aliases=(AliasRecord("Springfield", 3),)),
    EntityRecord("Springfield,_Ohio", "Springfield, Ohio", aliases=(AliasRecord("Springfield", 4),)),
    EntityRecord("Queen_(band)", "Queen", aliases=(AliasRecord("Queen", 8), AliasRecord("Smile", 1)), types=("band",)),
    EntityRecord("In_Rainbows", "In Rainbows"),
    EntityRecord("Mary_Todd_Lincoln", "Mary Todd Lincoln", types=("person",)),
    EntityRecord("Martin_Luther_King_Jr.", "Martin Luther King Jr.", types=("politician",)),
    EntityRecord("Air_guitar", "Air guitar"),
    EntityRecord(
        "National_Basketball_Association", "National Basketball Association", aliases=(AliasRecord("NBA", 9),)
    ),
    EntityRecord("National_Bar_Association", "National Bar Association", aliases=(AliasRecord("NBA", 1),)),
    EntityRecord("Élysée_Palace", "Élysée Palace", aliases=(AliasRecord("Palace", 2),)),
    EntityRecord("Crystal_Palace", "Crystal Palace", aliases=(AliasRecord("Palace", 5),)),
    EntityRecord("Cup_of_Tea_(song)", "Cup of Tea"),
    EntityRecord("1860_Games", "1860 Games", aliases=(AliasRecord("1860", 2), AliasRecord("Games", 3))),
    EntityRecord("1860", "1860"),
    EntityRecord("Board_games", "Games"),
    EntityRecord("Lonely_name", "Lonely name of nobody else", aliases=(AliasRecord("Lonely", 1),)),
]
