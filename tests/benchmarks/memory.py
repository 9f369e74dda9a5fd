"""What processes hold in memory, in MiB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psutil

KIBI = 2**10
LOOK_EVERY = 0.05  # seconds


def rollup(pid: int) -> dict[str, float]:
    """Return what a process holds now.

    `rss` counts mapped index files as far as they were read, `pss` shares pages with other processes that map them,
    `anonymous` is what cannot be read again from a file.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {name: kilobytes[name.capitalize()] / KIBI for name in ("rss", "pss", "anonymous")}


def tree(pid: int) -> list[int]:
    """Return a process and all that it started."""
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


@dataclass
class Peak:
    """The most that a process and its children held at once."""

    rss: float = 0
    anonymous: float = 0


@contextmanager
def weighed(pid: int) -> Iterator[Peak]:
    """Look again and again at what a process and its children hold."""
    peak = Peak()
    ended = Event()

    def look() -> None:
        while not ended.wait(LOOK_EVERY):
            with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError, KeyError):
                held = [_counted(one) for one in tree(pid)]
                peak.rss = max(peak.rss, sum(one["VmRSS"] for one in held))
                peak.anonymous = max(peak.anonymous, sum(one["RssAnon"] for one in held))

    thread = Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _counted(pid: int) -> dict[str, float]:
    """Return what the kernel has counted already: unlike a rollup, reading it does not hold the process up."""
    fields = [line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return {name.rstrip(":"): int(rest[0]) / KIBI for name, *rest in fields if rest[1:] == ["kB"]}
