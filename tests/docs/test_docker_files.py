"""What can be known of the container files without a container engine."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs_pages import ROOT
from test_docs_commands import LEAVES

from app.access.callers import is_loopback
from app.commands.serve import GRACE_SECONDS
from app.jobs.worker import GRACE_SECONDS as WORKER_GRACE_SECONDS
from app.settings import Settings

DOCKERFILES = {"cpu": ROOT / "docker" / "Dockerfile", "gpu": ROOT / "docker" / "Dockerfile.gpu"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
KNOWN = {f"NAMESAKE_{name.upper()}" for name in Settings.model_fields}
OURS = {name: service for name, service in COMPOSE["services"].items() if name != "database"}


def stages(path: Path) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, as keyword and rest."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            found.append([])
        found[-1].append((keyword, rest.strip()))
    return found


def last(path: Path, keyword: str) -> str:
    return [rest for name, rest in stages(path)[-1] if name == keyword][-1]


def environment(path: Path) -> dict[str, str]:
    return dict(word.split("=", 1) for word in last(path, "ENV").split())


def copied(path: Path) -> list[str]:
    return [
        rest.split()[0] for stage in stages(path) for name, rest in stage if name == "COPY" and "--from" not in rest
    ]


def check_python(command: list[str]) -> None:
    assert command[:2] == ["python", "-c"]
    compile(command[2], "health check", "exec")


@pytest.mark.parametrize("kind", DOCKERFILES)
def test_the_image_runs_a_command_that_exists_and_not_as_root(kind: str) -> None:
    path = DOCKERFILES[kind]
    entrypoint, command = json.loads(last(path, "ENTRYPOINT")), json.loads(last(path, "CMD"))
    assert " ".join(entrypoint + command) in LEAVES
    assert last(path, "USER") == "10001"  # by number, so that others can see that it is not root
    assert last(path, "VOLUME") == last(path, "WORKDIR") == environment(path)["NAMESAKE_HOME"]


@pytest.mark.parametrize("kind", DOCKERFILES)
def test_the_image_sets_what_can_be_set_and_asks_for_health(kind: str) -> None:
    path = DOCKERFILES[kind]
    ours = {name: value for name, value in environment(path).items() if name.startswith("NAMESAKE_")}
    assert ours.keys() <= KNOWN
    settings = Settings(**{name.removeprefix("NAMESAKE_").lower(): value for name, value in ours.items()})
    assert (settings.host, settings.port, settings.log_format) == ("0.0.0.0", int(last(path, "EXPOSE")), "json")  # noqa: S104
    check = re.fullmatch(r"(?:--[\w-]+=\w+ )+CMD (\[.*\])", last(path, "HEALTHCHECK"))
    assert check is not None
    check_python(json.loads(check[1]))


@pytest.mark.parametrize("kind", DOCKERFILES)
def test_the_image_is_built_from_pinned_packages_and_from_what_is_let_in(kind: str) -> None:
    path = DOCKERFILES[kind]
    text = path.read_text()
    assert f".[{kind}]" in text
    assert kind in PROJECT["project"]["optional-dependencies"]
    assert "PIP_CONSTRAINT=/src/constraints.txt" in text
    assert re.search("^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim(?: AS build)?", stage[0][1]) for stage in stages(path))
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert set(copied(path)) <= let_in
    assert all((ROOT / name).exists() for name in copied(path))


def test_both_images_end_the_same() -> None:
    cpu, gpu = (stages(path)[-1] for path in DOCKERFILES.values())
    assert [item for item in cpu if item[0] != "ENV"] == [item for item in gpu if item[0] != "ENV"]
    extra = environment(DOCKERFILES["gpu"]).items() - environment(DOCKERFILES["cpu"]).items()
    assert {name for name, _ in extra} == {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}


def test_what_is_copied_makes_a_whole_package(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in copied(DOCKERFILES["cpu"]):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    build = "wheel --quiet --no-deps --no-index --no-build-isolation --disable-pip-version-check --wheel-dir"
    subprocess.run([sys.executable, "-m", "pip", *build.split(), tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    kept = {
        path.relative_to(ROOT).as_posix() for top in ("app", "kb", "migrations", "model") for path in files(ROOT / top)
    }
    assert kept - packed == set()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def filled(value: str, **given: str) -> str:
    """Return a compose value with its variables filled in: ${NAME:-default}."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: given.get(match[1], match[2]), value)


def test_compose_runs_commands_that_exist_with_settings_that_exist() -> None:
    assert set(COMPOSE["services"]) == {"database", "setup", "service", "worker"}
    for name, service in OURS.items():
        assert f"namesake {' '.join(service['command'])}" in LEAVES, name
        assert service["environment"].keys() <= KNOWN
        url = filled(service["environment"]["NAMESAKE_DATABASE_URL"])
        assert Settings(database_url=url).database_url == "postgresql://namesake:namesake@database:5432/namesake"
        assert service["image"] == f"{PROJECT['project']['name'].partition('-')[0]}:{PROJECT['project']['version']}"
        assert (ROOT / service["build"]["dockerfile"]) == DOCKERFILES["cpu"]
        assert service["volumes"] == [f"home:{environment(DOCKERFILES['cpu'])['NAMESAKE_HOME']}"]


def test_compose_waits_for_what_is_needed_and_keeps_what_must_be_kept() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert {mount.partition(":")[0] for mount in service["volumes"]} <= set(COMPOSE["volumes"])
    assert services["service"]["depends_on"]["setup"]["condition"] == "service_completed_successfully"
    assert "pg_isready" in services["database"]["healthcheck"]["test"]
    kind, *check = services["service"]["healthcheck"]["test"]
    assert kind == "CMD"
    check_python(check)
    assert "/readyz" in check[2]


def test_compose_listens_on_this_machine_alone_unless_told_otherwise_and_stops_in_peace() -> None:
    service = OURS["service"]
    assert "ports" not in OURS["worker"]
    port = last(DOCKERFILES["cpu"], "EXPOSE")
    (published,) = service["ports"]
    assert filled(published) == f"127.0.0.1:{port}:{port}"
    assert filled(published, NAMESAKE_HOST="0.0.0.0", NAMESAKE_PORT="80") == f"0.0.0.0:80:{port}"  # noqa: S104
    for given, local in (({}, True), ({"NAMESAKE_HOST": "0.0.0.0"}, False)):  # noqa: S104
        told = filled(service["environment"]["NAMESAKE_PUBLISHED_HOST"], **given)
        assert filled(published, **given).startswith(f"{told}:")
        assert is_loopback(told) is local
    for name, grace in (("service", GRACE_SECONDS), ("worker", WORKER_GRACE_SECONDS)):
        assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > grace
