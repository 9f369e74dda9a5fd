"""Every link of the documentation leads somewhere."""

import re
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT, name_of, prose

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)


def links(page: Path) -> list[str]:
    return LINK.findall(re.sub(r"`[^`]*`(?!\])", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        words = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        found.add(words if words not in found else f"{words}-1")
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        assert target.is_relative_to(ROOT), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)}: {link}; there are {sorted(anchors(target))}"


def test_readme_leads_to_every_page() -> None:
    linked = {(PAGES[0].parent / link.partition("#")[0]).resolve() for link in links(PAGES[0])}
    assert linked >= set(PAGES[1:])


def test_pages_that_the_project_names_exist() -> None:
    """Messages, comments and configuration name pages, too."""
    named: set[str] = set()
    for pattern in ("app/**/*.py", "kb/**/*.py", "model/**/*.py", "docker/*", "docker-compose.yml", "constraints.txt"):
        for path in ROOT.glob(pattern):
            if path.is_file():
                named.update(re.findall(r"docs/[\w-]+\.(?:md|svg)", path.read_text(encoding="utf-8")))
    assert named
    assert all((ROOT / name).is_file() for name in named), named
