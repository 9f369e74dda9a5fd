"""What `namesake fit` refuses, and whose weights the service uses."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.assembly import open_linker
from app.commands.fit import fit as fit_command
from app.settings import Settings
from app.terminal import CommandError
from model.evaluation.corpus import GoldMention, LabelledDocument
from model.fitting.collecting import FitError, collect
from model.fitting.pages import PageCounts, page_of
from model.scorer import WEIGHTS, ScorerError

if TYPE_CHECKING:
    from app.service import Service


def test_too_few_documents_are_said_to_be_too_few(starter_service: "Service") -> None:
    pipeline = starter_service.linker.pipeline
    gold = GoldMention(0, 7, "Lincoln,_Nebraska", "gold")
    document = LabelledDocument("news/1", "news", "Lincoln is the capital of Nebraska.", (gold,))
    pages = PageCounts(pipeline.source, pipeline.store, {page_of(document.id)})
    with pytest.raises(FitError, match=r"give documents of this knowledge base, of enough pages"):
        collect(pipeline, [document], pages, [document], frozenset(), 0, lambda _step, _done, _total: None)


def test_a_wrong_place_for_the_weights_is_told_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = [tmp_path / "nothing.jsonl"]
    with pytest.raises(CommandError, match="cannot be written"):
        fit_command(nowhere, nowhere, out=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="cannot be made"):
        fit_command(nowhere, nowhere, out=tmp_path / "file" / "weights.json")


def test_ablations_that_contradict_other_options_are_told_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = [tmp_path / "nothing.jsonl"]
    with pytest.raises(CommandError, match=r"no group of features 'typos': name one of types, relations"):
        fit_command(nowhere, nowhere, out=tmp_path / "weights.json", without=["typos"])
    with pytest.raises(CommandError, match="must not replace the shipped ones"):
        fit_command(nowhere, nowhere, without=["types"])
    with pytest.raises(CommandError, match="leave --out and --without away"):
        fit_command(nowhere, nowhere, out=tmp_path / "weights.json", ablations=tmp_path / "all")
    assert not list(tmp_path.iterdir())


def test_the_weights_that_the_settings_name_are_used(starter_service: "Service", tmp_path: Path) -> None:
    named = tmp_path / "weights.json"
    settings = Settings(home=starter_service.settings.home, database_url=None, scorer=named)
    with pytest.raises(ScorerError, match=str(named)):
        open_linker(settings, starter_service.engine, build=False)
    named.write_text(json.dumps(json.loads(WEIGHTS.read_text()) | {"version": "mine"}))
    linker = open_linker(settings, starter_service.engine, build=False)
    assert linker.model_version.startswith("mine+")
    linker.close()
