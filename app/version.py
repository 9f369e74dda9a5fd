"""Which Namesake this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return the version of the installed Namesake."""
    try:
        return version("namesake-ned")
    except PackageNotFoundError:  # run from a source folder that was never installed
        return "unknown"
