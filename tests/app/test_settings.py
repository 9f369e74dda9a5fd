from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, default_home, load_settings, unknown_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"NAMESAKE_{name.upper()}", raising=False)


def test_defaults_and_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().home == default_home()
    monkeypatch.setenv("NAMESAKE_HOME", str(tmp_path))
    monkeypatch.setenv("NAMESAKE_PORT", "9000")
    assert (load_settings().home, load_settings().port) == (tmp_path, 9000)
    assert load_settings(port=9001, host=None).port == 9001


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESAKE_DATABASE_URL", "")
    assert load_settings().database_url is None


def test_root_keeps_its_data_outside_its_private_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_home() == Path("/var/lib/namesake")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_home().name == "namesake"


def test_a_relative_home_is_made_absolute_and_a_tilde_is_expanded() -> None:
    assert load_settings(home="here").home == Path.cwd() / "here"
    assert load_settings(home="~/kb").home == Path.home() / "kb"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NAMESAKE_PORT", "abc", "NAMESAKE_PORT='abc' cannot be used: Input should be a valid integer"),
        ("NAMESAKE_PORT", "70000", "less than or equal to 65535"),
        ("NAMESAKE_BACKEND", "tpu", "Input should be 'auto', 'onnx-int8', 'onnx-fp32' or 'torch'"),
        ("NAMESAKE_NAMESPACE", "a/b", "NAMESAKE_NAMESPACE='a/b'"),
        ("NAMESAKE_ENCODER_SHA256", "abc", "64 hexadecimal digits"),
    ],
)
def test_a_wrong_value_is_named_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in str(caught.value)
    assert "or unset it" in str(caught.value)


def test_every_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESAKE_PORT", "0")
    monkeypatch.setenv("NAMESAKE_MAX_TEXTS", "0")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAMESAKE_DATABASE_URL", "mysql://me:hunter2@db/x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert "postgresql://user:password@host:5432/namesake" in str(caught.value)
    monkeypatch.setenv("NAMESAKE_DATABASE_URL", "postgresql://me:hunter2@db/x")
    assert "hunter2" not in repr(load_settings())


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {
        "NAMESAKE_PROT": "1",
        "NAMESAKE_HOST": "x",
        "NAMESAKE_TEST_DATA": "x",
        "namesake_port": "1",
        "PATH": "x",
    }
    assert unknown_settings(environment) == [
        "NAMESAKE_PROT is set but is no setting of Namesake: did you mean NAMESAKE_PORT?"
    ]


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())
