"""The form that aliases are compared in: `Café Noir` and `cafe  noir` are the same name."""

from __future__ import annotations

import re
import unicodedata

# Accents and vowel points that people leave out when they type a name. Marks that carry a sound of their own (in
# Devanagari, Thai, kana) are not among them: without those, different names would become one.
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
)
_DASHES = "\u058a\u05be\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d"
_APOSTROPHES = "`\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb"
_APOSTROPHES += "\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\ua78c\uff07\uff40"
_QUOTES = "\u00ab\u00bb\u02ba\u02ee\u201c\u201d\u201e\u201f\u2033\u2036\u275d\u275e\u301d\u301e\u301f\uff02"
_UNIFIED = str.maketrans(dict.fromkeys(_DASHES, "-") | dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_QUOTES, '"'))
_OUTSIDE = " '\""


def normalise(text: str) -> str:
    """Return the key of an alias: no case, no accents, one kind of dash, apostrophe and quote, single spaces.

    Quotes around the name are left out; `+`, `#`, `/` and `.` stay (`C++`, `AC/DC`). A text of quotes or accents alone
    keeps them, so that only blank text gives an empty key. Applying the function to a key returns the key.
    """
    if text.isascii():
        folded = " ".join(text.lower().replace("`", "'").split())
        return folded.strip(_OUTSIDE) or folded
    folded = _fold(text)
    # Folding can uncover what another round changes (a ligature's accent, say); what is plain ASCII then is final.
    while not folded.isascii():
        again = _fold(folded)
        if again == folded:
            break
        folded = again
    return folded


def _fold(text: str) -> str:
    """Fold once."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_UNIFIED))
    plain = unicodedata.normalize("NFKC", _MARKS.sub("", decomposed).casefold()).translate(_UNIFIED)
    folded = " ".join(plain.split())
    return folded.strip(_OUTSIDE) or folded or unicodedata.normalize("NFKC", text).casefold().strip()
