"""Which column of a table is which field of an entity."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb.importers.report import ImportFailed

SEPARATOR = "|"
LISTS = ("aliases", "aliases.count", "aliases.language", "types", "redirects")
FIELDS = ("id", "label", "description", "text", *LISTS, "popularity", "source")

HEADERS = {
    "id": ("id", "identifier", "entity", "entity_id"),
    "label": ("label", "name", "title", "preferred_label"),
    "description": ("description", "definition", "gloss"),
    "text": ("text", "abstract"),
    "aliases": ("aliases", "alias", "alternative_names", "alternate_names", "synonyms", "altlabel", "alt_labels"),
    "aliases.count": ("aliases.count",),
    "aliases.language": ("aliases.language",),
    "types": ("types", "type", "class", "category"),
    "popularity": ("popularity",),
    "source": ("source",),
    "redirects": ("redirects", "former_ids"),
}
"""The headers that say by themselves which field a column is, whatever their case, spaces, dashes and underscores."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its position from 0, its field (also `xrefs.SCHEME`, `relations.PREDICATE`), and what parts lists."""

    position: int
    field: str
    separator: str = SEPARATOR

    @property
    def is_list(self) -> bool:
        """Whether cells hold several values."""
        return self.field in LISTS or self.field.startswith("relations.")

    def items(self, cell: str) -> list[str]:
        """Return the values of a cell; a backslash before a separator or a backslash takes its meaning away."""
        # Half a surrogate pair cannot be in a cell: it stands for what a backslash protects.
        plain = cell.replace("\\\\", "\ud800").replace(f"\\{self.separator}", "\ud801")
        values = [
            value.replace("\ud801", self.separator).replace("\ud800", "\\") for value in plain.split(self.separator)
        ]
        stripped = [value.strip() for value in values]
        return stripped if self.field.startswith("aliases.") else [value for value in stripped if value]


def joined(values: Iterable[str]) -> str:
    """Return values as one cell that `Column.items` takes apart."""
    return SEPARATOR.join([value.replace("\\", "\\\\").replace(SEPARATOR, f"\\{SEPARATOR}") for value in values])


def columns_of(file: str, header: Sequence[str], mapping: Sequence[str]) -> list[Column]:
    """Return what the columns with this header are.

    Args:
        file: the table, for messages.
        header: the names of its columns.
        mapping: which column is which field, as `FIELD=COLUMN` or `FIELD=COLUMN|SEPARATOR`; it comes first, and the
            names of the other columns speak for themselves.

    Raises:
        ImportFailed: a mapping does not fit, or id or label is missing.
    """
    columns = [_mapped(file, header, item) for item in mapping]
    taken = {column.position for column in columns}
    fields = {column.field for column in columns}
    for position, name in enumerate(header):
        field = _field_of(name)
        if position in taken or field is None or field in fields:
            continue
        columns.append(Column(position, field))
        if not field.startswith("relations."):
            fields.add(field)
    for field in ("id", "label"):
        if field not in {column.field for column in columns}:
            there = ", ".join(header)
            raise ImportFailed(f"{file} has no column {field}: say which it is with --map {field}=COLUMN ({there}).")
    return columns


def _mapped(file: str, header: Sequence[str], item: str) -> Column:
    field, equals, rest = item.partition("=")
    name, bar, separator = rest.partition("|") if rest not in header else (rest, "", "")
    field = field.strip()
    if not equals or not (field in FIELDS or re.fullmatch(r"(xrefs|relations)\..+", field)):
        known = f"{', '.join(FIELDS)}, xrefs.SCHEME, relations.PREDICATE"
        raise ImportFailed(f"--map {item}: write FIELD=COLUMN, with one of the fields {known}.")
    if header.count(name) != 1:
        how_many = "has no column" if name not in header else "has more than one column"
        raise ImportFailed(f"--map {item}: {file} {how_many} {name!r}; it has {', '.join(header)}.")
    if bar and not separator:
        raise ImportFailed(f"--map {item}: after | comes what parts the values of a list, such as |;")
    return Column(header.index(name), field, separator or SEPARATOR)


def _field_of(name: str) -> str | None:
    """Return the field that a header says by itself, None for another header."""
    if re.fullmatch(r"(xrefs|relations)\..+", name):
        return name
    plain = re.sub(r"[\s_-]+", "", name).lower()
    return next((field for field, names in HEADERS.items() if plain in {item.replace("_", "") for item in names}), None)
