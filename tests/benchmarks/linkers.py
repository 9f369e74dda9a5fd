"""Linkers as processes: each reads a file of documents and writes a line for each, a hundred lines at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from memory import Peak, rollup, tree, weighed

PEERS = Path(__file__).with_name("peers")
FIRST = 100  # documents whose answers are written together: with the first of them, the clock starts


@dataclass
class Run:
    """One run over all documents.

    Attributes:
        arrived: for each document, when its answer was there, in seconds from the start of the process.
        links: mentions with an entity.
        peak: what the process and its children held at most.
        database: what its database server held, in MiB, pages that its processes share counted once.
    """

    arrived: list[float] = field(default_factory=list)
    links: int = 0
    peak: Peak = field(default_factory=Peak)
    database: float = 0

    @property
    def documents_per_second(self) -> float:
        """How fast it links once it has begun."""
        return (len(self.arrived) - FIRST) / (self.arrived[-1] - self.arrived[FIRST - 1])


@dataclass(frozen=True)
class Linker:
    """A way to link documents.

    Attributes:
        name: as the table calls it.
        command: what to run; DOCUMENTS in it stands for their file.
        database: weighs its database server.
    """

    name: str
    command: Sequence[str]
    env: dict[str, str]
    database: Callable[[], float] = lambda: 0

    def run(self, documents: Path) -> Run:
        """Link the documents in a new process."""
        run = Run()
        answers: list[bytes] = []
        command = [str(documents) if part == "DOCUMENTS" else part for part in self.command]
        started = time.perf_counter()
        with (
            subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE) as process,
            weighed(process.pid) as run.peak,
        ):
            for line in process.stdout or ():
                run.arrived.append(time.perf_counter() - started)
                answers.append(line)
                if len(answers) == FIRST:
                    run.database = self.database()
        if process.returncode:
            raise RuntimeError(f"{self.name} ended with {process.returncode}")
        mentions = [mention for line in answers for mention in orjson.loads(line)["mentions"]]
        run.links = sum(1 for mention in mentions if mention["entity"] is not None)
        return run


def namesake(home: Path) -> Linker:
    """Return Namesake over the knowledge base of a home, with one worker."""

    def database() -> float:
        postmaster = int((home / "postgres/postmaster.pid").read_text().split()[0])
        return sum(rollup(pid)["pss"] for pid in tree(postmaster))

    env = {key: value for key, value in os.environ.items() if not key.startswith("NAMESAKE_")}
    env |= {"NAMESAKE_HOME": str(home), "NAMESAKE_LOG_LEVEL": "error"}
    program = str(Path(sys.executable).with_name("namesake"))
    return Linker("Namesake", [program, "annotate", "DOCUMENTS", "-", "--workers", "1"], env, database)


@dataclass(frozen=True)
class Peer:
    """Another linker, with a script in `peers/` and a virtual environment of its own.

    Attributes:
        script: name of the script, and of its list of requirements.
        variants: ways to run it: what the table calls each, and the option that makes it so.
    """

    script: str
    variants: dict[str, list[str]]

    def linkers(self, python: str, entities: Path, folder: Path) -> list[Linker]:
        """Let the peer build what it needs of the entities, and return its variants."""
        script = [python, str(PEERS / f"{self.script}.py")]
        subprocess.run([*script, "build", str(entities), str(folder)], env=_outside(), check=True)
        link = [*script, "link", str(folder), "DOCUMENTS"]
        return [Linker(name, [*link, *options], _outside()) for name, options in self.variants.items()]

    def environment(self, cache: Path) -> str:
        """Return the Python of the peer's environment, which is made where there is none with these versions."""
        wanted = PEERS / f"requirements-{self.script}.txt"
        folder = cache / self.script
        python, installed = str(folder / "bin/python"), folder / wanted.name
        if installed.exists() and installed.read_text() == wanted.read_text():
            return python
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement", str(wanted)]
        done = subprocess.run(pip, env=_outside(), capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"peers: pip cannot install {wanted.name}: {done.stderr.splitlines()[-1]}")
        installed.write_text(wanted.read_text())
        return python


def _outside() -> dict[str, str]:
    """Return the environment of processes that are not to see Namesake's modules."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
