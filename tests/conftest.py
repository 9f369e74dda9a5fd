"""What tests of several folders share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("NAMESAKE_TEST_REQUIRE", "").split(",")))
BESIDE = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of development data, which is no part of the project."""
    named = os.environ.get("NAMESAKE_TEST_DATA")
    folder = Path(named) if named else BESIDE
    if not (folder / "wiki-kb").is_dir():
        pytest.skip("shared: NAMESAKE_TEST_DATA does not name the development data")
    return folder


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("disk: only root may mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where something is required to be there, a test that skips itself for want of it fails."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.partition(":")[0] in REQUIRED:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} must run here, and was skipped: {reason}"
    return report
