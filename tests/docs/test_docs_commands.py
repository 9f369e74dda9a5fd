"""The command line and its page agree."""

import re
import shlex
from typing import Any

import pytest
import typer.main
from docs_pages import PAGES, ROOT, blocks, commands

from app.cli import app

CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
ROOT_COMMAND: Any = typer.main.get_command(app)


def leaves(command: Any = ROOT_COMMAND, path: tuple[str, ...] = ("namesake",)) -> dict[str, Any]:
    """Return the commands that do something, by their full name."""
    children = getattr(command, "commands", None)
    if children is None:
        return {" ".join(path): command}
    found: dict[str, Any] = {}
    for name, child in children.items():
        found |= leaves(child, (*path, name))
    return found


LEAVES = leaves()


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")}


def section(name: str) -> str:
    """Return what the page says in the sections that name a command."""
    short = name.removeprefix("namesake ")
    parts = re.split(r"^(?=## )", CLI, flags=re.MULTILINE)[1:]
    return "\n".join(part for part in parts if re.search(rf"namesake {short}\b|`{short}`", part))


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_and_option_is_described(name: str) -> None:
    said = section(name)
    assert said, f"docs/cli.md does not describe {name}"
    missing = {option for option in options(LEAVES[name]) if f"`{option}" not in said}
    assert not missing, f"docs/cli.md does not say what {missing} of {name} do"


def test_the_options_of_the_program_itself_are_described() -> None:
    assert all(f"namesake {option}`" in CLI or f"`{option}`" in CLI for option in options(ROOT_COMMAND))


def test_every_described_option_exists() -> None:
    known = {option for command in LEAVES.values() for option in options(command)} | options(ROOT_COMMAND) | {"--help"}
    assert set(re.findall(r"`(--?[a-z][\w-]*)", CLI)) <= known


@pytest.mark.parametrize("name", LEAVES)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    said = LEAVES[name].help or ""
    assert re.search(rf"Examples?:\n[^\n]*{name}\b", said), said


# At the start of a line, after settings, a pipe or a bracket, or as a path; ends at a pipe or a bracket.
CALL = re.compile(r"(?:^|^(?:[A-Z_]+=\S+ )+|[|(] ?|/bin/)(namesake .*?)(?:[|)]|$)", re.MULTILINE)


def test_every_command_line_that_is_shown_can_be_given() -> None:
    seen = 0
    for page in PAGES:
        for block in blocks(page):
            for line in commands(block.text) if block.language == "sh" else ():
                for call in CALL.findall(line):
                    _check(call, block.where)
                    seen += 1
    assert seen > 20


def _check(call: str, where: str) -> None:
    words = shlex.split(call, comments=True)
    command: Any = ROOT_COMMAND
    while words[1:] and words[1] in getattr(command, "commands", {}):
        command = command.commands[words.pop(1)]
    assert not hasattr(command, "commands"), f"{where}: {call} names no command"
    unknown = {word for word in words[1:] if re.match(r"-{1,2}[a-z]", word)} - options(command)
    assert not unknown, f"{where}: {unknown}"
