"""How long and how large the values of a knowledge base may be."""

from __future__ import annotations

ID_CHARACTERS = 250
"""Longest id of an entity or a type, in characters."""
PREDICATE_BYTES = 500
"""Longest id of a predicate, in bytes of UTF-8: a relation's four ids share an index entry of at most 2,700 bytes."""
ALIAS_BYTES = 1400
"""Longest alias, in bytes of UTF-8, as it is written and as it is compared."""
XREF_BYTES = 1000
"""Longest scheme and longest value of a cross-reference, in bytes of UTF-8."""
SOURCE_BYTES = 1000
"""Longest name of a source, in bytes of UTF-8."""
LARGEST_COUNT = 2_147_483_647
