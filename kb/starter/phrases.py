"""The words in which composed entities are described, and the counts that their names get."""

import math

from kb.starter.gazetteer import City, Country, Gazetteer, Region, direction, distance_km

# How much is written in English about a place of a given size differs by country.
ATTENTION = {
    "US": 1.25,
    "GB": 1.4,
    "IE": 1.4,
    "CA": 1.2,
    "AU": 1.2,
    "NZ": 1.2,
    "FR": 1.3,
    "IT": 1.3,
    "CN": 0.3,
    "IN": 0.4,
}
USUAL_ATTENTION = 0.6
NEAR_KM = 400
REGION_MARGIN, COUNTRY_MARGIN = 1.2, 1.5


def place_count(population: int, country: str, factor: float = 1.0) -> int:
    """Return how often, on the scale of the handwritten counts, a place's name stands for it."""
    weight = ATTENTION.get(country, USUAL_ATTENTION) * factor
    return max(1, round(0.001 * weight * math.pow(max(population, 1), 0.8)))


def people(population: int) -> str:
    """Return a population in round words, such as "about 2.1 million people"."""
    if population >= 1_000_000:
        millions = population / 1_000_000
        return f"about {millions:.0f} million people" if millions >= 10 else f"about {millions:.1f} million people"
    digits = 3 if population >= 100_000 else 2
    step = 10 ** max(0, len(str(population)) - digits)
    return f"about {round(population / step) * step:,} people"


def listed(names: list[str]) -> str:
    """Return names as an English list."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def bearing(city: City, others: list[City]) -> str | None:
    """Return where a city lies as seen from the nearest much larger one, or None when there is none near."""
    larger = [other for other in others if other.population >= 2.5 * city.population and other.name != city.name]
    if not larger:
        return None
    nearest = min(larger, key=lambda other: (distance_km(city, other), other.key))
    distance = distance_km(city, nearest)
    if distance > NEAR_KM:
        return None
    rounded = max(5, round(distance / 5) * 5) if distance < 100 else round(distance / 10) * 10
    return f"about {rounded} km {direction(nearest, city)} of {nearest.name}"


def city_kind(city: City) -> str:
    """Return what a place of that size is called."""
    return "city" if city.population >= 50_000 else "town"


def _where(city: City, gazetteer: Gazetteer) -> str:
    country, region = gazetteer.countries[city.country], gazetteer.region_of(city)
    if region is None or region.label == city.name:
        return f"{gazetteer.named(country)}, {country.continent.replace('_', ' ')}"
    if city.country == "GB":
        return region.label
    return f"{region.label}, {country.label if city.country == 'US' else gazetteer.named(country)}"


def city_description(city: City, gazetteer: Gazetteer, first_of: str | None, near: str | None) -> str:
    """Return the description of a city: its rank and size, where it lies, and what it is first of."""
    country, region = gazetteer.countries[city.country], gazetteer.region_of(city)
    size, kind = people(city.population), city_kind(city)
    if country.id in city.capital_of:
        start = f"capital of {gazetteer.named(country)} in {country.continent.replace('_', ' ')}, a {kind} of {size}"
    elif city.capital_of and region is not None:
        start = f"capital of the US state of {region.label}, a {kind} of {size}"
    elif 50_000 <= city.population < 1_000_000:
        start = f"{kind} in {_where(city, gazetteer)}, with {size}"
    else:
        start = f"{kind} of {size} in {_where(city, gazetteer)}"
    return ", ".join(part for part in (start, f"the largest in {first_of}" if first_of else None, near) if part)


def country_description(country: Country, gazetteer: Gazetteer, neighbours: list[str]) -> str:
    """Return the description of a country or territory."""
    territory = gazetteer.extra["territories"].get(country.code)
    start = territory[1] if territory else f"country in {country.continent.replace('_', ' ')}"
    if not territory and not country.neighbours:
        start = f"island country in {country.continent.replace('_', ' ')}"
    parts = [f"{start}, with {people(country.population)}"]
    if country.seat is not None and country.seat.name != country.label:
        parts.append(f"its capital is {country.seat.name}")
    if neighbours:
        parts.append(f"it borders {listed(neighbours[:4])}" + (" among others" if len(neighbours) > 4 else ""))
    return "; ".join(parts)


def region_description(region: Region, gazetteer: Gazetteer, cities: list[City]) -> str:
    """Return the description of a first-level region by its country and its largest cities."""
    country = gazetteer.named(gazetteer.countries[region.country])
    names = [city.name for city in cities]
    if not names:
        return f"{region.kind} of {country}"
    first = f"{region.kind} of {country} whose largest city is {names[0]}, with {people(cities[0].population)}"
    others = [name for name in names[1:4] if name != names[0]]
    return f"{first}, followed by {listed(others)}" if others else first


def leads(city: City, rivals: list[City], margin: float) -> bool:
    """Say whether a city is clearly the most populous of its region or country: by that factor at least."""
    others = [rival.population for rival in rivals if rival.key != city.key]
    return not others or city.population >= margin * max(others)


def region_count(population: int, country: str) -> int:
    """Return the count of a region's name, from the people of its cities."""
    return max(3, place_count(population, country, 0.5 if country == "US" else 0.3))
