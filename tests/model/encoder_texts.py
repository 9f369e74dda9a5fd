"""Texts of every kind that an encoder meets."""

from __future__ import annotations

WORDS = "The Jordan flows from Mount Hermon to the Dead Sea while Michael Jordan plays for the Chicago Bulls. "

TEXTS = {
    "one word": "Paris",
    "a sentence": "Mercury is the planet nearest the Sun, and Mercury was the Romans' god of trade.",
    "254 wordpieces": " ".join(["river"] * 254),
    "prose of more than a window": WORDS * 20,
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 in Paris \U0001f1eb\U0001f1f7!",
    "right to left": "\u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd \u0627\u0644\u0642\u062f\u0633 Jerusalem",
    "unknown characters": "\U00012000\U00012001 \U0001d11e \ue000 Uruk",
    "combining marks": "Cafe\u0301 de Fl\u0302ore",
    "a giant word": "Pneumono" * 1250,
    "numbers and signs": "§ 12.5 % of C++ & AC/DC — 1989!?",
}
EMPTY = {"empty": "", "blank": " \t\n\u00a0", "control characters": "\x00\x01\u200b"}
