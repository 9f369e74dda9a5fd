"""Whatever can be set, called, sent or measured is in the documentation, and what is there exists."""

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from docs_pages import ROOT, blocks

from app.bulk.writers.formats import FORMATS as WRITTEN
from app.errors import TITLES
from app.main import create_app
from app.metrics import Metrics
from app.model_files import model_version
from app.schemas import (
    answers,
    bulk,
    classes,
    edits,
    entities,
    feedback,
    history,
    jobs,
    joining,
    keys,
    namespaces,
    problem,
    requests,
)
from app.schemas import fields as limits
from app.settings import Settings
from kb.importers import checks
from kb.index import SnapshotFolders
from kb.limits import ALIAS_BYTES, ID_CHARACTERS, LARGEST_COUNT, PREDICATE_BYTES, XREF_BYTES
from kb.records import AliasRecord, RelationRecord
from kb.snapshot import MANIFEST, read_manifest
from kb.tables import Base
from kb.tables_corpus import EntityUsage
from kb.tables_service import Job
from kb.undoing import MOST_REVISIONS
from model.evaluation.corpus import KINDS
from model.evaluation.corpus_lines import DocumentRow, MentionRow
from model.features import CANDIDATE_FEATURES, NIL_FEATURES
from model.fitting.ablations import GROUPS
from model.manifest import read_manifest as read_model_manifest
from model.mentions import FEATURES as CUES
from model.training.config import TrainingConfig


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


API, ARCHITECTURE, FORMATS, SETTINGS = (
    read(f"docs/{name}.md") for name in ("api", "architecture", "kb-formats", "settings")
)


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a text, each as its rows of cells, headings left out."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
        found.append(rows[2:])
    return found


def names(rows: list[list[str]], column: int = 0) -> set[str]:
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


def test_every_setting_is_described_in_its_own_words() -> None:
    rows = {row[0]: row for row in tables(SETTINGS)[0]}
    assert list(rows) == [f"`NAMESAKE_{name.upper()}`" for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        _, default, description = rows[f"`NAMESAKE_{name.upper()}`"]
        assert description == field.description
        if name != "home":
            assert default == ("unset" if field.default is None else f"`{field.default}`")


def test_every_key_of_a_training_is_described_in_its_own_words() -> None:
    rows = tables(section(read("docs/training.md"), "Configuration"))[0]
    sections: dict[str, Any] = {name: field.annotation for name, field in TrainingConfig.model_fields.items()}
    keys = {f"{name}.{key}": field for name, kind in sections.items() for key, field in kind.model_fields.items()}
    assert [row[0] for row in rows] == [f"`{key}`" for key in keys]
    for (_, default, description), field in zip(rows, keys.values(), strict=True):
        assert description == field.description
        if default.startswith("`"):
            assert default == f"`{json.dumps(field.default, default=str)}`"
        else:
            value = field.get_default(call_default_factory=True, validated_data={})
            assert default == ("needed" if field.is_required() else "unset" if value is None else "none")
            assert not value or field.is_required()


def test_the_configuration_that_is_shown_can_be_used() -> None:
    (shown,) = (block.text for block in blocks(ROOT / "docs/training.md") if block.language == "toml")
    TrainingConfig.model_validate_json(json.dumps(tomllib.loads(shown)))


def test_every_endpoint_is_described(tmp_path: Path) -> None:
    app = create_app(Settings(home=tmp_path, database_url=None))
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            assert re.search(rf"`{method.upper()} {re.escape(path)}[?`]", API), (method, path)
            for parameter in operation.get("parameters", []):
                assert f"`{parameter['name']}`" in API.lower(), parameter
    for page in ("`/`", "`/docs`", "`/openapi.json`"):
        assert page in API


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (requests.AnnotateOne, "The request"),
        (answers.OneAnswer, "The answer"),
        (answers.MentionAnswer, "The answer"),
        (answers.EntityBrief, "The answer"),
        (answers.Candidate, "The answer"),
        (answers.RequestWarning, "The answer"),
        (entities.FoundPage, "Search for entities"),
        (entities.Found, "Search for entities"),
        (entities.EntityAnswer, "Show an entity"),
        (entities.Alias, "Show an entity"),
        (entities.Relation, "Show an entity"),
        (edits.NewEntity, "Edit entities"),
        (edits.EntityPatch, "Edit entities"),
        (edits.NewAlias, "Edit entities"),
        (edits.NewRelation, "Edit entities"),
        (joining.Merge, "Merge, rename, split"),
        (joining.Rename, "Merge, rename, split"),
        (joining.Split, "Merge, rename, split"),
        (joining.Move, "Merge, rename, split"),
        (joining.MovedAlias, "Merge, rename, split"),
        (joining.IncomingRelation, "Merge, rename, split"),
        (bulk.BulkPatch, "Bulk patches"),
        (bulk.BulkFilter, "Bulk patches"),
        (bulk.BulkChange, "Bulk patches"),
        (bulk.BulkSet, "Bulk patches"),
        (bulk.BulkAdd, "Bulk patches"),
        (bulk.BulkRemove, "Bulk patches"),
        (bulk.BulkPreview, "Bulk patches"),
        (bulk.BulkExample, "Bulk patches"),
        (bulk.BulkAnswer, "Bulk patches"),
        (classes.NewType, "Types and predicates"),
        (classes.NewPredicate, "Types and predicates"),
        (classes.TypeAnswer, "Types and predicates"),
        (classes.PredicateAnswer, "Types and predicates"),
        (classes.TypePage, "Types and predicates"),
        (classes.PredicatePage, "Types and predicates"),
        (edits.UndoingOne, "History"),
        (edits.UndoingSince, "History"),
        (history.RevisionPage, "History"),
        (history.RevisionAnswer, "History"),
        (history.FieldDifference, "History"),
        (history.UndoAnswer, "History"),
        (history.UndoSinceAnswer, "History"),
        (history.Changes, "Changes"),
        (history.Change, "Changes"),
        (namespaces.NewNamespace, "Namespaces"),
        (namespaces.NamespaceAnswer, "Namespaces"),
        (namespaces.NamespaceList, "Namespaces"),
        (feedback.NewFeedback, "Feedback"),
        (feedback.Answered, "Feedback"),
        (feedback.Feedback, "Feedback"),
        (feedback.FeedbackPage, "Feedback"),
        (feedback.Proposal, "Proposals"),
        (feedback.ProposalName, "Proposals"),
        (feedback.ProposalExample, "Proposals"),
        (feedback.ProposalPage, "Proposals"),
        (feedback.AcceptedProposal, "Proposals"),
        (jobs.Job, "Jobs"),
        (jobs.JobPage, "Jobs"),
        (jobs.Reject, "Jobs"),
        (keys.NewKey, "Keys"),
        (keys.Renewal, "Keys"),
        (keys.IssuedKey, "Keys"),
        (keys.KeyList, "Keys"),
        (answers.Version, "Versions"),
        (answers.Readiness, "Health"),
        (answers.Check, "Health"),
        (problem.Problem, "Errors"),
        (problem.FieldProblem, "Errors"),
    ],
)
def test_every_field_of_the_api_is_described(model: Any, heading: str) -> None:
    said = section(API, heading)
    missing = {name for name in model.model_fields if f"`{name}`" not in said and f'"{name}"' not in said}
    assert not missing


def test_the_limits_of_the_api_are_those_that_hold() -> None:
    said = section(API, "Limits")
    for name in ("max_text_chars", "max_texts", "max_mentions", "jobs_per_key", "job_documents_per_day"):
        row = next(line for line in said.splitlines() if f"NAMESAKE_{name.upper()}" in line)
        assert str(Settings.model_fields[name].default) in row.replace(",", "")
    rate, burst = (Settings.model_fields[name].default for name in ("rate_limit", "rate_burst"))
    assert f"| {rate:g} a second, {burst} at once |" in said
    assert Settings.model_fields["max_body_bytes"].default == 16 * 2**20
    assert f"| candidates listed for a mention | {limits.MAX_CANDIDATES} |" in said
    assert f"| text of feedback | {feedback.FEEDBACK_CHARS:,} code points |" in said
    assert f"| revisions undone at once | {MOST_REVISIONS:,} |" in said
    assert f"| entities edited by one operation | {MOST_REVISIONS:,} |" in said
    assert Settings.model_fields["job_max_bytes"].default == 2**30
    assert f"| types in a request | {limits.MAX_TYPES} |" in said


def test_every_kind_of_problem_is_described_with_its_status() -> None:
    rows = tables(section(API, "Errors"))[-1]
    assert {(row[0].strip("`"), int(row[1])) for row in rows} == {
        (kind, status) for kind, (status, _) in TITLES.items()
    }


def test_every_metric_is_described() -> None:
    measured = {metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()}
    rows = tables(section(API, "Metrics"))[0]
    assert {next(iter(names([row]))) for row in rows} == measured


def test_every_field_of_the_files_is_described() -> None:
    entity, alias, relation = tables(section(FORMATS, "Entities"))
    assert names(entity) == checks.FILE_FIELDS
    assert names(alias) == {field.name for field in fields(AliasRecord)}
    assert names(relation) == {field.name for field in fields(RelationRecord)}
    assert names(tables(section(FORMATS, "Types"))[0]) == checks.TYPE_FIELDS
    assert names(tables(section(FORMATS, "Predicates"))[0]) == checks.PREDICATE_FIELDS
    document, mention = tables(section(FORMATS, "Labelled documents"))
    assert names(document) == {field.name for field in fields(DocumentRow)}
    assert names(mention) == {field.name for field in fields(MentionRow)}
    assert all(f"`{kind}`" in section(FORMATS, "Labelled documents") for kind in KINDS)


def test_the_limits_of_the_files_are_those_that_hold() -> None:
    entity, alias, relation = ({row[0].strip("`"): row[-1] for row in t} for t in tables(section(FORMATS, "Entities")))
    assert entity["id"] == f"1 to {ID_CHARACTERS} characters"
    assert entity["label"] == alias["text"] == f"{ALIAS_BYTES} bytes"
    assert entity["xrefs"] == f"{XREF_BYTES} bytes each"
    assert entity["popularity"] == alias["count"] == f"0 to {LARGEST_COUNT:,}"
    assert relation["predicate"] == f"{PREDICATE_BYTES} bytes"


def test_every_feature_is_explained() -> None:
    candidates, nil = tables(section(ARCHITECTURE, "Features"))
    assert names(candidates) - {"Mercury_(planet)"} == set(CANDIDATE_FEATURES)
    assert names(nil) == set(NIL_FEATURES)
    assert names(tables(section(ARCHITECTURE, "Mentions"))[0]) == set(CUES)


def test_every_group_of_features_that_can_be_left_out_is_described() -> None:
    rows = tables(section(read("docs/ablations.md"), "Groups"))[0]
    assert [row[0].strip("`") for row in rows] == list(GROUPS)
    assert [tuple(re.findall(r"`(\w+)`", row[1])) for row in rows] == list(GROUPS.values())


def test_every_format_of_annotations_is_described() -> None:
    rows = tables(section(read("docs/annotation-formats.md"), "Which one"))[0]
    assert [row[0].strip("`") for row in rows] == list(WRITTEN)
    for (_, ending, _, _, printed), how in zip(rows, WRITTEN.values(), strict=True):
        assert set(re.findall(r"`(\.\w+)`", ending)) == set(how.endings)
        assert printed == ("yes" if how.streams else "no")
    assert all(f"`{name}`" in section(read("docs/cli.md"), "namesake annotate") for name in WRITTEN)


def test_every_table_of_the_database_is_described() -> None:
    assert Job.metadata is EntityUsage.metadata is Base.metadata
    assert names(tables(section(ARCHITECTURE, "Tables"))[0]) == set(Base.metadata.tables)


def test_every_file_of_a_snapshot_is_described(starter_home: Path) -> None:
    manifest = read_manifest(SnapshotFolders(starter_home / "snapshots", "default").newest())
    assert names(tables(section(ARCHITECTURE, "The snapshot"))[0]) == {*manifest.files, MANIFEST}


def test_every_folder_is_described() -> None:
    described = names(tables(section(ARCHITECTURE, "The parts, and who may import whom"))[0])
    packages = {path.parent for top in ("app", "kb", "model", "migrations") for path in (ROOT / top).rglob("*.py")}
    there = {f"{path.relative_to(ROOT)}/" for path in packages} - {"migrations/versions/"}
    assert there <= described
    assert all((ROOT / name).exists() for name in described)


def test_what_architecture_says_can_be_replaced_is_there() -> None:
    for rows in tables(section(ARCHITECTURE, "What can be replaced")):
        for name in names(rows, 1) | names(rows, 2):
            if re.fullmatch(r"(?:app|kb|model)(?:\.\w+)+", name):
                module, _, member = name.rpartition(".")
                assert hasattr(__import__(module, fromlist=[member]), member), name


def test_the_size_of_the_starter_kb_is_told_right(starter_home: Path) -> None:
    manifest = read_manifest(SnapshotFolders(starter_home / "snapshots", "default").newest())
    assert f"{manifest.entities:,} entities" in read("README.md")


@pytest.mark.parametrize(("metric", "number", "columns"), [("accuracy", 0, (2, 3, 4)), ("micro F1", 1, (3, 5, 6))])
def test_the_scores_of_the_manifest_are_those_of_the_page(
    metric: str, number: int, columns: tuple[int, int, int]
) -> None:
    page = tables(section(read("docs/evaluation.md"), "Results"))[number]
    shown = {row[0]: [row[column].strip("*") for column in columns] for row in page}
    given: dict[str, list[str]] = {}
    for measured in read_model_manifest().scores:
        if measured.metric == metric:
            for documents, percent in measured.percent.items():
                given[documents] = [f"{percent[system]:.1f}" for system in ("namesake", "prior-only", "cosine-only")]
    assert given == shown


def test_the_scores_of_the_model_card_are_those_of_the_page() -> None:
    page = {row[0]: row for row in tables(section(read("docs/evaluation.md"), "Results"))[0]}
    (card,) = tables(section(read("docs/model-card.md"), "How good it is"))
    assert model_version(Settings(adapter="shipped", scorer=None)) in read("docs/model-card.md")
    assert [row[0] for row in card] == list(page)
    for row in card:
        whole = page[row[0]]
        assert row == [*whole[:6], whole[10]]
