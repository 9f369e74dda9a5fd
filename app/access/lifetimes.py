"""How long a key is good, as people write it: 12h, 90d, 52w."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PATTERN = r"^[1-9][0-9]{0,3}[smhdw]$"
REMEDY = "give 1 to 9999 seconds, minutes, hours, days or weeks: 30s, 15m, 12h, 90d, 52w"


def parse_lifetime(written: str) -> timedelta:
    """Return the time that is meant.

    Raises:
        ValueError: it cannot be understood; `REMEDY` says what can.
    """
    if not re.fullmatch(PATTERN.rstrip("$"), written):
        raise ValueError(f"{written!r} is no lifetime")
    return timedelta(**{UNITS[written[-1]]: int(written[:-1])})
