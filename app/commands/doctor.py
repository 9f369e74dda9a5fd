"""`namesake doctor`: say what is wrong with an installation, and what to do."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from app.settings import SettingsError, load_settings, unknown_settings
from app.terminal import NamespaceOption, visible

if TYPE_CHECKING:
    from app.doctor import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    namespace: NamespaceOption = None,
) -> None:
    """Check this installation; ends with exit code 1 if something is broken.

    Example:
    namesake doctor --json
    """
    console = Console(soft_wrap=True, highlight=False)
    findings = []
    for finding in _findings(namespace):
        findings.append(finding)
        if not as_json:
            console.print(_line(finding))
    broken = [finding for finding in findings if finding.status == "fail"]
    if as_json:
        typer.echo(json.dumps({"ok": not broken, "findings": [asdict(finding) for finding in findings]}, indent=2))
    elif broken:
        console.print(Text(f"\n{len(broken)} of {len(findings)} checks failed.", style="bold red"))
    else:
        console.print(Text("\nThis installation works.", style="bold green"))
    raise typer.Exit(1 if broken else 0)


def _findings(namespace: str | None) -> list[Finding]:
    from app.doctor import Finding, examine

    found = [
        Finding("settings", "warn", message, "correct the name, or unset it")
        for message in unknown_settings(os.environ)
    ]
    try:
        settings = load_settings(namespace=namespace)
    except SettingsError as error:
        lines = str(error).splitlines()
        return found + [Finding("settings", "fail", line, "see docs/settings.md") for line in lines]
    return [*found, Finding("settings", "ok", "all can be used"), *examine(settings)]


def _line(finding: Finding) -> Text:
    line = Text(f"{finding.status:4} ", style=STYLES[finding.status])
    line.append(f"{finding.check}: ", style="bold")
    line.append(visible(finding.detail), style="default")
    if finding.remedy:
        line.append(f"\n     → {visible(finding.remedy)}", style="bold")
    return line
