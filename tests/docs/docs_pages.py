"""The pages of the documentation, their fenced blocks, and how a shown answer is compared with a real one.

A block's first word is its language; the second, where there is one, says what the tests do with it:

    sh run        run, in the order of the page; it must succeed
    jsonl file X  written to the file X, which later blocks of the page read
    json answer   compared with what the block before printed: same shape, same strings, whatever the numbers
    text answer   each line must be among what the block before printed, whatever the numbers

`…` stands for anything: in a string, as the last item of a list, or as a key for all keys that are not shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELLIPSIS = "…"
FENCE = re.compile(r"^ *```(.*)$")
# Other with each build, each fit and each machine.
VARYING = frozenset({"model_version", "kb_version", "created_at", "updated_at", "instance", "pid"})


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, the words after its fence, and what it holds."""

    where: str
    language: str
    role: tuple[str, ...]
    text: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> Iterator[Block]:
    start, words, inside = 0, "", False
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if fence is None:
            lines.append(line)
        elif not inside:
            start, words, inside, lines = number, fence[1], True, []
        else:
            language, *role = words.split() or [""]
            yield Block(f"{name_of(page)}:{start}", language, tuple(role), "\n".join(lines) + "\n")
            inside = False
    assert not inside, f"{name_of(page)}:{start} is not closed"


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    kept, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def commands(text: str) -> list[str]:
    """Return the command lines of a block, those that go on after a backslash or an open quote in one piece."""
    found: list[str] = []
    open_line = ""
    for line in text.splitlines():
        open_line = f"{open_line}\n{line}" if open_line else line
        if open_line.endswith("\\") or open_line.count("'") % 2 or open_line.count('"') % 2:
            continue
        if open_line.strip() and not open_line.startswith("#"):
            found.append(open_line.replace("\\\n", " "))
        open_line = ""
    return found


def differences(shown: Any, real: Any, where: str = "answer") -> Iterator[str]:
    """Yield what a shown JSON value says that the real one does not."""
    if shown == ELLIPSIS:
        return
    if isinstance(shown, dict) and isinstance(real, dict):
        yield from _differing_fields(shown, real, where)
    elif isinstance(shown, list) and isinstance(real, list):
        yield from _differing_items(shown, real, where)
    elif not _same_value(shown, real):
        yield f"{where}: {shown!r} is shown, it is {real!r}"


def _same_value(shown: Any, real: Any) -> bool:
    if isinstance(shown, str) and isinstance(real, str):
        return re.fullmatch(".*".join(map(re.escape, shown.split(ELLIPSIS))), real, re.DOTALL) is not None
    return type(shown) is type(real) and (isinstance(shown, float) or shown == real)


def _differing_items(shown: list[Any], real: list[Any], where: str) -> Iterator[str]:
    more = shown[-1:] == [ELLIPSIS]
    wanted = shown[:-1] if more else shown
    if len(wanted) > len(real) or (len(wanted) < len(real) and not more):
        yield f"{where}: {len(wanted)} items are shown, there are {len(real)}"
    for number, (left, right) in enumerate(zip(wanted, real, strict=False)):
        yield from differences(left, right, f"{where}[{number}]")


def _differing_fields(shown: dict[str, Any], real: dict[str, Any], where: str) -> Iterator[str]:
    unknown = shown.keys() - real.keys() - {ELLIPSIS}
    hidden = set() if ELLIPSIS in shown else real.keys() - shown.keys()
    if unknown or hidden:
        yield f"{where}: shown but not there: {sorted(unknown)}; there but not shown: {sorted(hidden)}"
    for key in shown.keys() & real.keys():
        if key in VARYING:
            if type(shown[key]) is not type(real[key]):
                yield f"{where}.{key}: it is {real[key]!r}"
        else:
            yield from differences(shown[key], real[key], f"{where}.{key}")


def missing_lines(shown: str, real: str) -> list[str]:
    """Return the shown lines that are not among the real ones, whatever the numbers and the spaces between words."""
    there = {_plain(line) for line in real.splitlines()}
    found = []
    for line in shown.splitlines():
        pattern = ".*".join(map(re.escape, _plain(line).split(ELLIPSIS)))
        if not any(re.fullmatch(pattern, other) for other in there):
            found.append(line)
    return found


def _plain(line: str) -> str:
    return " ".join(re.sub(r"\d[\d.,:]*", "#", line).split())
