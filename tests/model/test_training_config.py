"""The configuration of a training: what is read, and how what is wrong is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.training.config import ConfigError, TrainingConfig, read_config

WHOLE = """
[data]
documents = ["wiki.jsonl.gz", "sub/news.jsonl"]
weak = ["sub/news.jsonl"]
held_out_pages = 0.3

[data.sources]
wiki-prose = 1
"wiki.table" = 0.25

[model]
similarity = 3  # numbers
entity_ids = false

[optimisation]
learning_rate = 1e-3
batch_mentions = 500

[checkpoints]
folder = "runs/one"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "wiki.jsonl.gz").write_bytes(b"")
    (tmp_path / "sub" / "news.jsonl").write_bytes(b"")
    return tmp_path


def read(folder: Path, text: str) -> TrainingConfig:
    path = folder / "train.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def refused(folder: Path, text: str) -> list[str]:
    """Return the lines of the message, without the path of the file."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [line.removeprefix(str(folder / "train.toml")) for line in str(caught.value).splitlines()]


def test_a_whole_file(folder: Path) -> None:
    config = read(folder, WHOLE)
    assert config.data.documents == (folder / "wiki.jsonl.gz", folder / "sub/news.jsonl")
    assert config.data.weak == (folder / "sub/news.jsonl",)
    assert config.data.sources == {"wiki-prose": 1, "wiki.table": 0.25}
    assert (config.model.similarity, config.model.entity_ids) == (3, False)
    assert (config.optimisation.learning_rate, config.optimisation.batch_mentions) == (0.001, 500)
    assert config.checkpoints.folder == folder / "runs/one"


def test_only_documents_are_needed(folder: Path) -> None:
    config = read(folder, '\ufeff[data]\ndocuments = ["wiki.jsonl.gz"]\n')
    assert config.optimisation.threads is None
    assert config.checkpoints.folder == folder / "checkpoints"


def test_paths_do_not_depend_on_where_the_command_is_called(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "train.toml").write_text(WHOLE)
    monkeypatch.chdir(folder)
    assert read_config(Path("train.toml")) == read_config(folder / "train.toml")
    monkeypatch.setenv("HOME", str(folder))
    config = read(folder, '[data]\ndocuments = ["~/wiki.jsonl.gz"]\n')
    assert config.data.documents == (folder / "wiki.jsonl.gz",)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("learning_rate", "learning_rat", r", line 16: optimisation\.learning_rat is no setting; "
         r"did you mean optimisation\.learning_rate\?"),
        ("similarity = 3", "epochs = 3", r", line 12: model\.epochs is no setting; .* optimisation\.epochs\?"),
        ("[model]", "[modle]", r", line 11: modle is no setting; did you mean model\?"),
        ("[data]", "seed = 3\n[data]", r", line 2: seed is no setting; did you mean optimisation\.seed\?"),
        ("similarity = 3 ", 'similarity = "3"', r', line 12: model\.similarity = "3" cannot be used: Input should be a '
         r"valid integer; it is: Numbers in an entity's vector of `ned-base`\."),
        ("batch_mentions = 500", "epochs = 5.5", r", line 17: optimisation\.epochs = 5\.5 .*integer.*it is: How often"),
        ("= 500", "= 0", r", line 17: optimisation\.batch_mentions = 0 .*greater than or equal to 1"),
        ("entity_ids = false", "entity_ids = 0", r", line 13: model\.entity_ids = 0 cannot be used: .*valid boolean"),
        ("= 0.3", "= 1.0", r", line 5: data\.held_out_pages = 1\.0 .*less than 1; it is: Share of the pages"),
        ("= 0.3", "= nan", r", line 5: data\.held_out_pages = .*finite number"),
        ("= 0.3", "= 1979-05-27", r', line 5: data\.held_out_pages = "1979-05-27" .*valid number'),
        ("0.25", "-1", r', line 9: data\.sources\.wiki\.table = -1 cannot be used: .*; it is: How often an epoch'),
        ("0.25", "inf", r", line 9: data\.sources\.wiki\.table = .*finite number"),
        ('"wiki.jsonl.gz", ', "", None),
        ('"wiki.jsonl.gz", "sub/news.jsonl"', "", r", line 3: data\.documents = \[\] cannot be .*at least 1 item"),
        ('["wiki.jsonl.gz", "sub/news.jsonl"]', '"wiki.jsonl.gz"', r", line 3: data\.documents = .*valid array"),
        ('"wiki.jsonl.gz"', "5", r", line 3: data\.documents\[0\] = 5 cannot be used"),
        ('"wiki.jsonl.gz"', '"wikis.jsonl"', r", line 3: data\.documents\[0\]: there is no file .*/wikis\.jsonl; paths "
         r"are relative to "),
        ('documents = ["wiki.jsonl.gz", "sub/news.jsonl"]\n', "", r", line 2: data\.documents is missing; it is: "),
        ("similarity = 3", "similarity = {}", r", line 12: model\.similarity cannot be used: Input should be a valid "),
        ("[model]", "[model", r": this is not TOML: .*\(at line 11, column 7\); see docs/training\.md"),
        ("entity_ids = false", "similarity = 2", r": this is not TOML: .*at line 13"),
        ("batch_mentions = 500", 'precision = "fp16"', r", line 17: optimisation\.precision = .*'fp32' or 'bf16'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_key_and_remedy(
    folder: Path, written: str, instead: str, message: str | None
) -> None:
    assert written in WHOLE
    text = WHOLE.replace(written, instead, 1)
    if message is None:
        read(folder, text)
        return
    (said,) = refused(folder, text)
    assert re.match(message, said), said


def test_all_that_is_wrong_is_told_at_once(folder: Path) -> None:
    said = refused(folder, WHOLE.replace("pages", "page").replace("= false", "= 1"))
    assert [line.partition(":")[0] for line in said] == [", line 5", ", line 13"]


def test_keys_with_dots_and_sections_that_are_not_there(folder: Path) -> None:
    assert refused(folder, 'optimisation.seed = -1\ndata.documents = ["wiki.jsonl.gz"]\n')[0].startswith(
        ", line 1: optimisation.seed = -1 cannot be used"
    )
    assert refused(folder, "[model]\nsimilarity = 1\n") == [
        ": data is missing; it is: [data]: what is learned from. Paths are relative to the folder of the configuration "
        "file."
    ]
    # No line of its own: the section is written in one line.
    said = refused(folder, 'data = {documents = ["wiki.jsonl.gz"], held_out_pages = 2}\n')
    assert said[0].startswith(", line 1: data.held_out_pages = 2 cannot be used")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.toml: cannot be read \(No such file or directory\); name the TOML"):
        read_config(tmp_path / "train.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    with pytest.raises(ConfigError, match=r"latin\.toml: byte 5 is not UTF-8"):
        read_config(tmp_path / "latin.toml")


def test_the_fingerprint_names_what_must_be_equal(folder: Path) -> None:
    config = read(folder, WHOLE)
    assert config.fingerprint["optimisation.learning_rate"] == 0.001
    assert config.fingerprint["data.documents"] == ["wiki.jsonl.gz", "news.jsonl"]
    same = read(folder, WHOLE.replace("runs/one", "elsewhere") + "keep = 9\n[encoder]\nrank = 64\n")
    assert same.fingerprint == config.fingerprint
    assert read(folder, WHOLE.replace("= 500", "= 500\nthreads = 2")).fingerprint == config.fingerprint
    for written, instead in (("= 0.3", "= 0.2"), ("= false", "= true"), ("= 0.25", "= 0.5")):
        assert read(folder, WHOLE.replace(written, instead)).fingerprint != config.fingerprint
    moved = folder / "moved"
    moved.mkdir()
    for name in ("wiki.jsonl.gz", "sub"):
        (moved / name).symlink_to(folder / name)
    assert read(moved, WHOLE).fingerprint == config.fingerprint
