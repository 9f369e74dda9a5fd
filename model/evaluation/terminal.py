"""The result as tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.evaluation.results import Evaluation, Group, Mode
from model.evaluation.tables import Cell, Section, reliability_section, sections


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print each source and, where there are several, all documents together with the reliability table."""
    for group in evaluation.groups:
        _print_group(group, evaluation.mode, console)
    together = evaluation.together
    console.print(f"\n[bold]{_safe(together.name)}[/] · confidence and how often it was right", highlight=False)
    _print_sections([reliability_section(together)], list(together.systems), console)


def _print_group(group: Group, mode: Mode, console: Console) -> None:
    gold = group.gold
    console.print(
        f"\n[bold]{_safe(group.name)}[/] · {mode} · {gold.documents} documents · gold: {gold.in_kb} in the KB, "
        f"{gold.out_of_kb} outside, {gold.neutral} not counted",
        highlight=False,
    )
    _print_sections(sections(group, mode), list(group.systems), console)
    for note in group.notes:
        console.print(f"[yellow]Note:[/] {_safe(note)}", highlight=False)


def _print_sections(found: Sequence[Section], systems: Sequence[str], console: Console) -> None:
    """Print sections one below the other, their columns in line: a table each, since headings are wider than labels."""
    rows = [row for section in found for row in section.rows]
    label_width = 2 + max((len(row.label) for row in rows), default=0)
    widths = [max(len(name), *(len(_text(row.cells[i])) for row in rows)) for i, name in enumerate(systems)]
    console.print(_table(("", *systems), (label_width, *widths), []), style="bold")
    for section in found:
        console.print(f"[bold]{escape(section.title)}[/]  [dim]{escape(section.hint)}[/]", highlight=False)
        lines = [(f"  {row.label}", *(_text(cell) for cell in row.cells)) for row in section.rows]
        console.print(_table(lines[0], (label_width, *widths), lines[1:]) if lines else "")


def _table(first: Sequence[str], widths: Sequence[int], others: Sequence[Sequence[str]]) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    for index, width in enumerate(widths):
        table.add_column(width=width, justify="right" if index else "left", no_wrap=True)
    for cells in (first, *others):
        table.add_row(*(_safe(cell) for cell in cells))
    return table


def _text(cell: Cell) -> str:
    if cell.interval:
        return f"{cell.text} ±{cell.half_width}"
    return cell.text if cell.count is None else f"{cell.text} ({cell.count})"


def _safe(text: str) -> str:
    """Return text that prints as itself: no markup, and no control characters that could move the cursor."""
    return escape("".join(character if character.isprintable() else "\ufffd" for character in text))
