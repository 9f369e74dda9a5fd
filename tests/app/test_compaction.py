"""Building an index beside a service: who starts it, and what it leaves to others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import psutil
import pytest
from api_client import wait_for

from app.assembly import snapshot_folders
from app.compaction import Compaction
from app.service import Service

THREADS = {"OMP_NUM_THREADS", "NAMESAKE_THREADS"}
Make = Callable[[], Compaction]


@pytest.fixture
def make(starter_service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes what starts builds; builds that are under way at the end are killed."""
    made: list[Compaction] = []
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)

    def make_one() -> Compaction:
        made.append(Compaction(starter_service.settings))
        return made[-1]

    yield make_one
    for compaction in made:
        compaction.stop()


@pytest.fixture
def newest(starter_service: Service) -> str:
    current = snapshot_folders(starter_service.settings).current()
    assert current is not None
    return current.name


def builds() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if command(child)[-2:] == ["index", "build"]]


def command(process: psutil.Process) -> list[str]:
    """Return the command line of a process; one that is being started has none for a moment."""
    wait_for(lambda: bool(process.cmdline()) or process.status() == psutil.STATUS_ZOMBIE)
    return process.cmdline()


def limited(process: psutil.Process) -> dict[str, str]:
    return {name: value for name, value in process.environ().items() if name in THREADS}


def test_a_build_takes_what_nobody_else_wants_and_one_core_at_most(make: Make, newest: str) -> None:
    make().start(newest)
    (build,) = builds()
    assert build.nice() == 19
    assert os.sched_getscheduler(build.pid) == os.SCHED_IDLE
    assert limited(build) == dict.fromkeys(THREADS, "1")


def test_an_urgent_build_takes_what_it_can_get(make: Make, newest: str) -> None:
    make().start(newest, urgent=True)
    (build,) = builds()
    assert build.nice() == psutil.Process().nice()
    assert os.sched_getscheduler(build.pid) == os.sched_getscheduler(0)
    assert limited(build).keys() <= {"NAMESAKE_THREADS"} or not limited(build)


def test_an_urgent_build_takes_the_place_of_one_that_is_not(make: Make, newest: str) -> None:
    compaction = make()
    compaction.start(newest)
    (slow,) = builds()
    compaction.start(newest, urgent=True)
    (quick,) = builds()
    assert quick.pid != slow.pid
    assert quick.nice() == psutil.Process().nice()
    compaction.start(newest, urgent=True)
    assert builds() == [quick]


def test_one_build_at_a_time_and_only_of_the_newest_index(make: Make, newest: str) -> None:
    make().start("another one")
    assert builds() == []
    first, second = make(), make()
    first.start(newest)
    second.start(newest, urgent=True)
    assert (first.running, second.running, len(builds())) == (True, False, 1)
    first.stop()
    second.start(newest)
    assert (first.running, second.running, len(builds())) == (False, True, 1)
