"""Tables, pictures, the HTML page and the documentation of the JSON."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from evaluation_helpers import KB, ScriptedLinker, gold, labelled, link, perfect
from rich.console import Console

from model.evaluation import Evaluation, Mode, Settings, evaluate
from model.evaluation.report import render_report, segments, write_report
from model.evaluation.scores import ErrorExample
from model.evaluation.terminal import print_evaluation

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"
EVIL = '<script>alert("x")</script> [bold]b[/] \x1b[31m & '


def result(mode: Mode = "a2kb", sources: tuple[str, ...] = ("web", "news")) -> Evaluation:
    text = EVIL + "Lincoln and Douglas " * 20
    documents = [
        labelled(gold(0, 8, "A", "anchor"), gold(47, 54, "C"), gold(59, 66, None), name=f"{s}/{n}", source=s, text=text)
        for s in sources
        for n in range(4)
    ]
    choices = [
        (link(0, 8, "B", 0.8, ["B", "A"]), link(47, 54, "C", 0.9), link(59, 66, "D", 0.3, ["D", "C"])),
        (link(0, 8, "A", 0.7), link(47, 54, None, 0.4, ["C"]), link(59, 66, None, 0.6)),
    ]
    ours = ScriptedLinker({d.id: choices[n % 2] for n, d in enumerate(documents)})
    systems = {"namesake": perfect(documents), "prior-only": ours, "cosine-only": ours}
    if mode == "a2kb":
        systems = {"namesake": ours, "prior-only": ScriptedLinker({}), "cosine-only": perfect(documents)}
    return evaluate(documents, systems, KB, mode, settings=Settings(resamples=50))


@pytest.mark.parametrize("mode", ["d2kb", "a2kb"])
def test_terminal_fits_80_columns(mode: Mode) -> None:
    out = StringIO()
    print_evaluation(result(mode), Console(file=out, width=80))
    text = out.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    for word in (
        "Micro F1",
        "Unseen",
        "Head (n",
        "NIL",
        "Gold in the first 30",
        "ECE",
        "Wrong choice",
        "paired bootstrap",
    ):
        assert word in text
    assert ("lower bounds" in re.sub(r"\s+", " ", text)) == (mode == "a2kb")
    assert ("Not detected" in text) == (mode == "a2kb")
    assert ("Accuracy  " in text) == (mode == "d2kb")


def test_terminal_prints_names_as_they_are() -> None:
    out = StringIO()
    print_evaluation(result("d2kb", ("[red]x\x1b[2J",)), Console(file=out, width=120, force_terminal=False))
    assert "[red]x\ufffd[2J" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img", "br"}:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


@pytest.mark.parametrize("mode", ["d2kb", "a2kb"])
def test_report_is_one_well_formed_page(tmp_path: Path, mode: Mode) -> None:
    evaluation = result(mode)
    path = write_report(evaluation, tmp_path / "new" / "folder")
    page = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.opened == []
    assert tags.seen.count("img") == 4 * 3  # all, news, web
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in tags.addresses)
    assert "<script" not in page
    assert ("&lt;script&gt;" in page) == (mode == "a2kb")  # namesake makes no errors in d2kb, so shows no texts
    assert page.index('id="group-1">all') < page.index('id="group-2">news')
    assert page == render_report(evaluation)  # nothing random, no dates


def test_report_of_systems_that_answer_nothing() -> None:
    silent = ScriptedLinker({})
    page = render_report(evaluate([labelled()], {"only": silent}, KB, "a2kb", settings=Settings(resamples=5)))
    assert "No gold mention has its entity in this KB" in page
    assert page.count("None.") == 5


def test_segments_mark_both_spans() -> None:
    example = ErrorExample("wrong_span", "d", "see New York City now", 10, 99, (4, 17), "A", (8, 21), "B", 0.5, None)
    found = [(s.text, s.mark) for s in segments(example)]
    assert found == [
        ("… ", ""),
        ("see ", ""),
        ("New ", "gold"),
        ("York City", "both"),
        (" now", "predicted"),
        (" …", ""),
    ]
    whole = replace(example, window_start=0, text_length=21, predicted_span=None)
    assert [(s.text, s.mark) for s in segments(whole)] == [("see ", ""), ("New York City", "gold"), (" now", "")]


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(keys(item) for item in value))
    return set()


def test_every_key_of_the_json_is_documented() -> None:
    found: set[str] = set()
    for mode in ("d2kb", "a2kb"):
        found |= keys(orjson.loads(orjson.dumps(result(mode).to_dict())))
    documented = set(re.findall(r"`([\w-]+)`", DOCS.read_text(encoding="utf-8")))
    values = {"1", "5", "10", "30", "alias"}  # ranks, ways to find
    assert found - documented - values == set()


def test_json_keys_stay() -> None:
    """Later versions compare with earlier ones: if this fails, add keys, but do not rename them."""
    data = orjson.loads(orjson.dumps(result("a2kb").to_dict()))
    assert list(data) == ["mode", "settings", "groups", "benchmarks", "selection", "schema_version"]
    system = data["groups"][-1]["systems"]["namesake"]
    assert list(system) == [
        "model_version", "kb_version", "links", "accuracy", "ambiguous_accuracy", "detection", "nil", "candidates",
        "slices", "calibration", "selective", "sweep", "errors",
    ]  # fmt: skip
    assert list(system["links"]["micro"]) == [
        "precision", "recall", "f1", "true_positives", "false_positives", "false_negatives",
    ]  # fmt: skip
    assert list(system["errors"]["counts"]) == [
        "not_detected", "wrong_span", "gold_not_among_candidates", "wrong_choice", "false_link",
    ]  # fmt: skip
