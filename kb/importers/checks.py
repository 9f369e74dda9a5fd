"""One line of a file, checked and made into a record.

The checks are written out by hand: they run for every line of files with millions of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from kb.importers.lines import LONGEST_LINE
from kb.limits import ALIAS_BYTES, ID_CHARACTERS, LARGEST_COUNT, PREDICATE_BYTES, SOURCE_BYTES, XREF_BYTES
from kb.normalise import normalise
from kb.records import AliasRecord, EntityRecord, PredicateRecord, RelationRecord, TypeRecord

ENTITY_FIELDS = frozenset(
    {"id", "label", "description", "text", "aliases", "types", "relations", "xrefs", "popularity", "source"}
)
FILE_FIELDS = ENTITY_FIELDS | {"redirects"}
TYPE_FIELDS = frozenset({"id", "label", "parent"})
PREDICATE_FIELDS = frozenset({"id", "label"})
Item = TypeVar("Item")
KINDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


class Rejected(Exception):  # noqa: N818
    """A line cannot be used; says which field, what is wrong with it and what to do."""

    def __init__(self, field: str | None, error: str, remedy: str) -> None:
        super().__init__(f"{field}: {error}" if field else error)
        self.field = field
        self.error = error
        self.remedy = remedy

    def inside(self, where: str) -> Rejected:
        """Return the same for a field that lies inside another one."""
        return Rejected(f"{where}.{self.field}" if self.field else where, self.error, self.remedy)


def decode(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        Rejected: it is not JSON, no object, too long, or has a character that cannot be stored.
    """
    if len(raw) > LONGEST_LINE:
        raise Rejected(None, "the line is longer than 16 MiB", "shorten its text, or split the entity")
    try:
        data = orjson.loads(raw)
        suspect = b"\\u0000" in raw
    except orjson.JSONDecodeError as error:
        data = _decode_surrogates(raw, str(error))
        suspect = True
    if type(data) is not dict:
        raise Rejected(
            None, "the line is no JSON object", 'write one object a line, such as {"id": "Q1", "label": "…"}'
        )
    if suspect:
        refuse_unstorable("", data)
    return data


def entity_record(data: dict[str, Any], source: str | None = None) -> EntityRecord:
    """Return the entity that a JSON object describes; `source` stands in where it names none.

    Raises:
        Rejected: a field is missing, of another kind than it should be, or out of range.
    """
    key = _name(data, "id", ID_CHARACTERS)
    return EntityRecord(
        key,
        _surface(data, "label", "label"),  # the label is one of the aliases
        _optional(data, "description"),
        _optional(data, "text"),
        _aliases(data),
        _types(data),
        _relations(data, key),
        _xrefs(data),
        _number(data, "popularity"),
        _optional(data, "source", SOURCE_BYTES) or source,
        _redirects(data, key),
    )


def type_record(data: dict[str, Any]) -> TypeRecord:
    """Return the type that a JSON object describes.

    Raises:
        Rejected: a field is missing or of another kind than it should be.
    """
    key = _name(data, "id", ID_CHARACTERS)
    parent = _optional(data, "parent")
    if parent is not None:
        _name(data, "parent", ID_CHARACTERS)
    if parent == key:
        raise Rejected("parent", "the type is its own parent", "name a broader type, or leave the parent out")
    return TypeRecord(key, _name(data, "label"), parent)


def predicate_record(data: dict[str, Any]) -> PredicateRecord:
    """Return the predicate that a JSON object describes.

    Raises:
        Rejected: a field is missing or of another kind than it should be.
    """
    return PredicateRecord(_name(data, "id", most_bytes=PREDICATE_BYTES), _name(data, "label"))


def _aliases(data: dict[str, Any]) -> tuple[AliasRecord, ...]:
    return _each(data, "aliases", _alias)


def _alias(item: Any) -> AliasRecord:
    text = _surface(_kind(item, dict), "text", "alias")
    language = None if item.get("language") is None else _name(item, "language")
    return AliasRecord(text, _number(item, "count"), language)


def _surface(data: dict[str, Any], key: str, what: str) -> str:
    """Return the string of a field that must be there and becomes an alias."""
    text = _name(data, key)
    # 30 characters become at most 1,080 bytes, whatever they are.
    if len(text) > 30 and max(len(text.encode()), len(normalise(text).encode())) > ALIAS_BYTES:
        remedy = "shorten it" if what == "label" else "shorten it, or leave it out"
        raise Rejected(key, f"the {what} has more than {ALIAS_BYTES} bytes", remedy)
    return text


def _types(data: dict[str, Any]) -> tuple[str, ...]:
    return _each(data, "types", _id)


def _id(item: Any) -> str:
    return _string(item, None, ID_CHARACTERS)


def _relations(data: dict[str, Any], subject: str) -> tuple[RelationRecord, ...]:
    relations = _each(data, "relations", _relation)
    for position, relation in enumerate(relations):
        if relation.object == subject:
            where = f"relations[{position}].object"
            raise Rejected(where, "the entity is related to itself", "leave this relation out")
    return relations


def _relation(item: Any) -> RelationRecord:
    predicate = _name(_kind(item, dict), "predicate", most_bytes=PREDICATE_BYTES)
    return RelationRecord(predicate, _name(item, "object", ID_CHARACTERS))


def _redirects(data: dict[str, Any], key: str) -> tuple[str, ...]:
    redirects = _each(data, "redirects", _id)
    if key in redirects:
        raise Rejected(f"redirects[{redirects.index(key)}]", "it is the entity's own id", "leave it out")
    return redirects


def _xrefs(data: dict[str, Any]) -> dict[str, str]:
    items = data.get("xrefs")
    if items is None:
        return {}
    try:
        for scheme, value in _kind(items, dict).items():
            _string(scheme, None, most_bytes=XREF_BYTES)
            _string(value, scheme, most_bytes=XREF_BYTES)
    except Rejected as reason:
        raise reason.inside("xrefs") from None
    return dict(items)


def _each(data: dict[str, Any], key: str, item_of: Callable[[Any], Item]) -> tuple[Item, ...]:
    """Return what `item_of` makes of each item of a list that may be absent."""
    items = data.get(key)
    if items is None:
        return ()
    if type(items) is not list:
        raise Rejected(key, f"it should be a list, not {_describe(items)}", "write a list in square brackets")
    made: list[Item] = []
    try:
        for item in items:
            made.append(item_of(item))
    except Rejected as reason:
        raise reason.inside(f"{key}[{len(made)}]") from None
    return tuple(made)


def _name(data: dict[str, Any], key: str, most: int | None = None, most_bytes: int | None = None) -> str:
    """Return the string of a field that must be there and must not be blank."""
    value = data.get(key)
    if value is None:
        raise Rejected(key, "the field is missing", f'add "{key}" with a string')
    return _string(value, key, most, most_bytes)


def _string(value: Any, field: str | None, most: int | None = None, most_bytes: int | None = None) -> str:
    if type(value) is not str:
        raise Rejected(field, f"it should be a string, not {_describe(value)}", "write it in double quotes")
    if not value or value.isspace():
        raise Rejected(field, "it is empty or blank", "give it a value, or leave it out where it is optional")
    if most is not None and len(value) > most:
        raise Rejected(field, f"it has {len(value)} characters, {most} at most", "shorten it")
    if most_bytes is not None and len(value) * 4 > most_bytes and len(value.encode()) > most_bytes:
        raise Rejected(field, f"it has more than {most_bytes} bytes", "shorten it")
    return value


def _optional(data: dict[str, Any], key: str, most_bytes: int | None = None) -> str | None:
    """Return the string of a field that may be absent; blank is the same as absent."""
    value = data.get(key)
    if value is None:
        return None
    if type(value) is not str:
        raise Rejected(key, f"it should be a string or null, not {_describe(value)}", "write a string, or null")
    if not value or value.isspace():
        return None
    return _string(value, key, most_bytes=most_bytes)


def _number(data: dict[str, Any], key: str) -> int:
    """Return the whole number of a field that may be absent (0)."""
    value = data.get(key)
    if value is None:
        return 0
    if type(value) is not int:
        raise Rejected(key, f"it should be a whole number, not {_describe(value)}", "write digits without quotes")
    if value < 0:
        raise Rejected(key, f"{value} is negative", "write 0 or more")
    if value > LARGEST_COUNT:
        raise Rejected(key, f"{value} is larger than {LARGEST_COUNT}", "write a smaller number")
    return value


def _kind(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Rejected(None, f"it should be {KINDS[kind]}, not {_describe(value)}", f"write {KINDS[kind]}")
    return value


def _describe(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return KINDS.get(type(value), "one with a fraction or of 20 digits or more")


def _decode_surrogates(raw: bytes, message: str) -> Any:
    """Read a line that the strict parser refuses, to tell half a character pair from broken JSON."""
    try:
        return json.loads(raw.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        remedy = "write one JSON object a line, in UTF-8; in JSON, quotes and backslashes inside strings are escaped"
        raise Rejected(None, f"the line is no JSON: {message}", remedy) from None


def encodable(value: str) -> bool:
    """Tell whether a string has no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_unstorable(field: str, value: Any) -> None:
    """Refuse what Postgres cannot store: the NUL character and halves of surrogate pairs.

    Raises:
        Rejected: naming the place, below `field`.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_unstorable(field, key)
            refuse_unstorable(f"{field}.{key}".removeprefix("."), item)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            refuse_unstorable(f"{field}[{position}]", item)
    elif isinstance(value, str):
        if "\x00" in value:
            raise Rejected(field, "it has a NUL character (\\u0000)", "take the character out")
        if not encodable(value):
            raise Rejected(field, "it has half of a surrogate pair (\\ud800 to \\udfff)", "write the whole character")
    elif (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        raise Rejected(field, "NaN and Infinity are no JSON", "write a number")
