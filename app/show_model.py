"""What is known of the model, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.terminal import visible

Json = Mapping[str, Any]
DIGITS = 12  # of a hash: enough to tell files apart; --json has all


def show_model(described: Json) -> None:
    """Print what `namesake model show --json` says."""
    console = Console(highlight=False)
    console.print(f"version  {described['version'] or 'a file cannot be used'}")
    console.print(f"date     {described['date'] or 'known of the shipped model alone'}\n")
    console.print(_files(described["files"]))
    for file in described["files"]:
        name = visible(Path(file["path"]).name)
        if file["problem"]:
            console.print(Text(f"\n{name}: {visible(file['problem'])}", style="red"), soft_wrap=True)
        elif "made" in file:
            console.print(Text(f"\n{name}, {file['date']}", style="bold"))
            console.print(Text(f"made with     {file['made']}\nlearned from  {file['learned_from']}"), soft_wrap=True)
        elif file["part"] != "encoder":
            console.print(Text(f"\n{name} is {visible(file['path'])}"), soft_wrap=True)
    if not described["scores"]:
        console.print("\nNo scores are known of this model.")
    for measured in described["scores"]:
        console.print(Text(f"\n{measured['metric']} in %, {measured['date']}: {measured['command']}"), soft_wrap=True)
        console.print(_scores(measured["percent"]))
    if described["knowledge_base"]:
        console.print(f"\nMeasured over: {described['knowledge_base']}", soft_wrap=True)


def _files(files: list[Json]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("part", "file", "bytes", "sha256", "state"):
        table.add_column(column, justify="right" if column == "bytes" else "left", overflow="fold")
    for file in files:
        table.add_row(
            file["part"],
            Text(visible(Path(file["path"]).name)),
            "" if file["bytes"] is None else f"{file['bytes']:,}",
            "" if file["sha256"] is None else f"{file['sha256'][:DIGITS]}…",
            Text("cannot be used", "red") if file["problem"] else Text("ok", "green"),
        )
    return table


def _scores(percent: Mapping[str, Mapping[str, float]]) -> Table:
    systems = list(dict.fromkeys(system for scores in percent.values() for system in scores))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("documents")
    for system in systems:
        table.add_column(system, justify="right")
    for documents, scores in percent.items():
        table.add_row(Text(visible(documents)), *(f"{scores[name]:.1f}" if name in scores else "" for name in systems))
    return table
