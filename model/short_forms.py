"""Shorter names for what a longer one names: "Merkel" and "AM" for "Angela Merkel"."""

from __future__ import annotations

import re

MOST_WORDS = 6  # of a short form
LONGEST_ACRONYM = 6


def is_short_form(surface: str, longer: str) -> bool:
    """Tell whether `surface` can be a shorter name for what `longer` names.

    That is its first or last words ("Merkel", "Angela" for "Angela Merkel"), or its initials.
    """
    if len(surface) >= len(longer) or not surface[:1].isupper():
        return False
    if longer.endswith(" " + surface) or longer.startswith(surface + " "):
        return True
    letters = surface.replace(".", "")
    return 2 <= len(letters) <= LONGEST_ACRONYM and letters.isupper() and letters == initials(longer)


def short_forms(longer: str) -> list[str]:
    """Return what `is_short_form` holds for, initials without full stops; of long names only the outer words."""
    spaces = [index for index, character in enumerate(longer) if character == " "]
    outer = dict.fromkeys(spaces[:MOST_WORDS] + spaces[-MOST_WORDS:])
    forms = [form for space in outer for form in (longer[:space], longer[space + 1 :])]
    return list(dict.fromkeys([*forms, initials(longer)]))


def initials(name: str) -> str:
    """Return the first letters of the words that begin with a capital one."""
    return "".join(word[0] for word in re.findall(r"\w+", name) if word[0].isupper())


def variants(surface: str) -> list[str]:
    """Return spellings to try for a surface that is no alias: without possessive, article, full stops or hyphens."""
    plain = re.sub(r"['’]s?$", "", surface)
    without_article = re.sub(r"^(?:the|a|an)\s+", "", plain, flags=re.IGNORECASE)
    bare = without_article.strip("\"'“”‘’()[].,;:!?- ")
    spellings = [
        plain,
        without_article,
        bare,
        bare.replace(".", ""),
        bare.replace("-", " "),
        bare.replace("–", "-"),
        f"the {bare}",
        bare.removesuffix("s"),
        re.sub(r"\s*\([^)]*\)$", "", bare),
        re.sub(r"\s*,.*$", "", bare),
    ]
    return [variant for variant in dict.fromkeys(spellings) if variant and variant != surface]
