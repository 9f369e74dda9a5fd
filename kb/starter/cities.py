"""Which cities and towns of the gazetteer the starter knowledge base takes, and under which ids."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Container

from kb.starter.gazetteer import City, Gazetteer, Names, distance_km
from kb.starter.records import plain

ANGLOPHONE = {"US", "GB", "CA", "AU", "NZ", "IE"}
COMMA_STYLE = {"US", "CA", "AU"}
WESTERN = {
    *("DE", "FR", "IT", "ES", "NL", "BE", "CH", "AT", "SE", "NO"),
    *("DK", "FI", "PT", "GR", "PL", "CZ", "HU", "IS", "IL"),
}
THRESHOLDS = {"CN": 6_000_000, "IN": 2_500_000, "BR": 1_000_000, "JP": 1_000_000}
NAMESAKES_PER_NAME = 6
# From which population a town is taken for its name's sake, in English-speaking and in other countries.
NAMESAKE_OF_CITY = (70_000, 300_000)
NAMESAKE_OF_OTHER = (9_000, 80_000)
# Suburbs and city quarters stand in the records as cities of their own; those this near to a bigger one are left out.
QUARTER_RATIO = 3
_CELL = 0.5
_UNFIT = re.compile(r"\d|[()]|\b(Sector|District|Kreis|Delegación)\b")

Grid = dict[tuple[int, int], list[City]]


def _threshold(country: str) -> int:
    """Return the population from which every city of a country is taken."""
    if country in ANGLOPHONE:
        return 170_000
    return 280_000 if country in WESTERN else THRESHOLDS.get(country, 1_200_000)


def _grid(cities: list[City]) -> Grid:
    grid: Grid = defaultdict(list)
    for city in cities:
        if city.population >= 100_000:
            grid[math.floor(city.latitude / _CELL), math.floor(city.longitude / _CELL)].append(city)
    return grid


def around(city: City, grid: Grid, reach: int) -> list[City]:
    """Return the larger cities of the grid cells within reach of a city."""
    row, column = math.floor(city.latitude / _CELL), math.floor(city.longitude / _CELL)
    found: list[City] = []
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            found.extend(grid.get((row + dy, column + dx), ()))
    return found


def _is_quarter(city: City, grid: Grid) -> bool:
    slope = 0.003 if city.country == "US" else 0.0045
    for bigger in around(city, grid, 1):
        reach = 2.5 + slope * math.sqrt(bigger.population)
        rival = bigger.country == city.country and bigger.population >= QUARTER_RATIO * city.population
        if rival and distance_km(city, bigger) <= reach:
            return True
    return False


class Chooser:
    """Picks cities by size, by rank as a capital, and by a name that other entities bear too."""

    def __init__(self, gazetteer: Gazetteer, names: Names, known_aliases: set[str]) -> None:
        self.gazetteer = gazetteer
        self.names = names
        self.known = known_aliases
        self.grid = _grid(gazetteer.cities)
        self.chosen: dict[str, City] = {}
        self.per_name: Counter[str] = Counter()
        self.seen: set[tuple[str, str, str]] = set()

    def choose(self) -> list[City]:
        """Return the chosen cities, largest first, each with its id."""
        for city in self.gazetteer.cities:
            if self._capital(city) or city.key in self.names.claims or self._kept(city):
                self._take(city)
        for city in self.gazetteer.cities:
            if city.population >= _threshold(city.country) and not self._doubtful(city):
                self._take(city)
        self._take_namesakes(NAMESAKE_OF_CITY, set(self.per_name))
        self._take_namesakes(NAMESAKE_OF_OTHER, self.known)
        return sorted(self.chosen.values(), key=lambda city: (-city.population, city.key))

    def grid_of_chosen(self) -> Grid:
        """Return the chosen cities of 100,000 people and more, by grid cell."""
        return _grid(list(self.chosen.values()))

    def well_known(self, city: City) -> bool:
        """Say whether the bare name may be a city's id: for its size or rank, or because nothing else is called so."""
        if self.gazetteer.extra["cities"].get(city.key, {}).get("qualified"):
            return False
        if city.capital_of or city.population >= (150_000 if city.country in ANGLOPHONE else 450_000):
            return True
        name = plain(city.name).casefold()
        return self.per_name[name] == 1 and name not in self.known

    def _kept(self, city: City) -> bool:
        return bool(self.gazetteer.extra["cities"].get(city.key, {}).get("keep"))

    def _capital(self, city: City) -> bool:
        country = self.gazetteer.countries[city.country]
        if country.seat is None and country.capital and plain(country.capital) == plain(city.name):
            country.seat = city
            city.capital_of.append(country.id)
        state = self.gazetteer.states.get(city.region) if city.country == "US" else None
        if state is not None and state.seat is None and state.capital == city.name:
            state.seat = city
            city.capital_of.append(state.id)
        return bool(city.capital_of)

    def _doubtful(self, city: City) -> bool:
        if _UNFIT.search(city.name) or (city.name.casefold(), city.country, city.region) in self.seen:
            return True
        return _is_quarter(city, self.grid)

    def _take(self, city: City) -> None:
        if city.key not in self.chosen:
            self.chosen[city.key] = city
            self.seen.add((city.name.casefold(), city.country, city.region))
            self.per_name[plain(city.name).casefold()] += 1

    def _take_namesakes(self, floors: tuple[int, int], bearers: Container[str]) -> None:
        """Take towns whose name is among the bearers' names, the larger ones first."""
        for city in self.gazetteer.cities:
            name = plain(city.name).casefold()
            floor = floors[0] if city.country in ANGLOPHONE else floors[1]
            if city.key in self.chosen or city.population < floor or self.per_name[name] >= NAMESAKES_PER_NAME:
                continue
            if name in bearers and not self._doubtful(city):
                self._take(city)
