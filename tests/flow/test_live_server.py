"""A knowledge base that is edited while several processes serve it."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from test_api_commands import run
from test_api_server import PATIENCE, server

NAMESPACE = {"NAMESAKE_NAMESPACE": "live"}
COMPACT_AFTER = 12
WORKERS = 2
LAKES = [
    {
        "id": f"Lake_{name}",
        "label": f"Lake {name}",
        "description": f"A lake in the district of {name}",
        "aliases": [{"text": name, "count": 3}],
        "types": ["lake"],
        "popularity": 3,
    }
    for name in ("Alder", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Ginkgo", "Hazel")
]


class Live:
    """Two workers over a knowledge base of lakes, and what asks and edits them."""

    def __init__(self, client: httpx2.Client, key: str, process: int) -> None:
        self.client = client
        self.process = process
        self.key = {"Authorization": f"Bearer {key}"}

    def edit(self, method: str, path: str, status: int, **fields: Any) -> httpx2.Response:
        headers = self.key | ({} if method == "POST" else {"If-Match": "*"})
        answer = self.client.request(method, f"/v1/entities{path}", headers=headers, json=fields or None)
        assert answer.status_code == status, answer.text
        return answer

    def ask(self, text: str, name: str, namespace: str = "live") -> httpx2.Response:
        """Ask whichever worker answers what a name in a text means."""
        start = text.index(name)
        body = {"text": text, "mentions": [{"start": start, "end": start + len(name)}]}
        # A new connection each time, so that every worker gets some.
        where, headers = {"namespace": namespace}, {"Connection": "close"}
        return self.client.post("/v1/disambiguate", params=where, json=body, headers=headers)

    def linked(self, text: str, name: str, namespace: str = "live") -> str | None:
        """Return the entity that a name in a text means to whichever worker answers."""
        answer = self.ask(text, name, namespace)
        assert answer.status_code == 200, answer.text
        (mention,) = answer.json()["mentions"]
        return None if mention["entity"] is None else str(mention["entity"]["id"])

    def states(self, namespace: str = "live") -> dict[int, dict[str, Any]]:
        """Return the state of the index in each worker."""
        found: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + PATIENCE
        while len(found) < WORKERS:
            assert time.monotonic() < deadline
            answer = self.client.get("/v1/index", params={"namespace": namespace}, headers={"Connection": "close"})
            if answer.status_code == 200:  # 503 while a worker starts
                found[answer.json()["process"]] = answer.json()
        return found

    def everywhere(self, condition: Callable[[dict[str, Any]], bool], namespace: str = "live") -> None:
        """Wait until the index of each worker is as it should be."""
        deadline = time.monotonic() + PATIENCE
        while not all(condition(state) for state in self.states(namespace).values()):
            assert time.monotonic() < deadline, self.states(namespace)
            time.sleep(0.1)


@pytest.fixture(scope="module")
def live(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "lakes.jsonl").write_text("".join(json.dumps(lake) + "\n" for lake in LAKES))
    done = run(starter_home, "kb", "import", str(folder / "lakes.jsonl"), **NAMESPACE)
    assert done.returncode == 0, done.stderr
    key = run(starter_home, "keys", "create", "--role", "admin", "--all-namespaces").stdout.splitlines()[-1]
    settings = NAMESPACE | {"NAMESAKE_COMPACT_AFTER": str(COMPACT_AFTER)}
    log = folder / "log"
    with server(starter_home, log, "--workers", str(WORKERS), **settings) as (process, client):
        found = Live(client, key, process.pid)
        found.everywhere(lambda state: bool(state["namespace"] == "live"))
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


def agree(live: Live, text: str, name: str, expected: str | None) -> None:
    """Wait until the workers know the newest edit, and check that ten answers in a row are right."""
    newest = live.client.get("/v1/changes?since=0&limit=1").json()["kb_version"]
    live.everywhere(lambda state: bool(state["kb_version"] >= newest))
    assert [live.linked(text, name) for _ in range(10)] == [expected] * 10


def test_a_new_entity_is_linked_by_name_and_by_meaning_until_it_is_deleted(live: Live) -> None:
    text = "They sailed over Quillmere, the lake of the silver trout, last summer."
    description = "A lake of the silver trout, for sailing in summer"
    live.edit("POST", "", 201, id="Quillmere", label="Quillmere", description=description, types=["lake"])
    agree(live, text, "Quillmere", "Quillmere")
    body = {"text": "They sailed over Trout Water, the lake of the silver trout.", "candidates": 30}
    mention = live.client.post("/v1/disambiguate", json=body | {"mentions": [{"start": 17, "end": 28}]}).json()
    found = {candidate["id"]: candidate["found_by"] for candidate in mention["mentions"][0]["candidates"]}
    assert "dense" in found["Quillmere"]
    live.edit("DELETE", "/Quillmere", 204)
    agree(live, text, "Quillmere", None)


def test_a_description_decides_between_namesakes(live: Live) -> None:
    text = "The steam engine Rowan pulled the express train over the railway bridge."
    for key, description in (("Rowan_A", "A lake with an island"), ("Rowan_B", "A village in the hills")):
        aliases = [{"text": "Rowan", "count": 5}]
        live.edit("POST", "", 201, id=key, label="Rowan", description=description, aliases=aliases)
    for key, other in (("Rowan_A", "Rowan_B"), ("Rowan_B", "Rowan_A")):
        live.edit("PATCH", f"/{other}", 200, description="A lake with an island")
        live.edit("PATCH", f"/{key}", 200, description="A steam engine that pulled express trains over the railway")
        agree(live, text, "Rowan", key)


def test_many_edits_are_put_into_a_new_index_while_requests_are_answered(live: Live) -> None:
    before = live.states()
    snapshots = {state["snapshot"]["name"] for state in before.values()}
    failures: list[str] = []
    stop = threading.Event()

    def read() -> None:
        with httpx2.Client(base_url=live.client.base_url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/v1/annotate", json={"text": "Lake Alder lies north of Lake Birch."})
                names = [m["entity"] and m["entity"]["id"] for m in answer.json().get("mentions", [])]
                if answer.status_code != 200 or names != ["Lake_Alder", "Lake_Birch"]:
                    failures.append(answer.text)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(COMPACT_AFTER + 2):
            live.edit("POST", "", 201, id=f"Pond_{number}", label=f"Pond {number}", types=["pond"])
        live.everywhere(lambda state: state["snapshot"]["name"] not in snapshots and not state["lag"]["changes"])
    finally:
        stop.set()
        reader.join()
    assert failures == []
    after = live.states()
    assert all(state["snapshot"]["entities"] > len(LAKES) for state in after.values())
    assert {state["delta"]["entities"] for state in after.values()} <= set(range(COMPACT_AFTER))
    live.everywhere(lambda state: not state["delta"]["compacting"])
    assert live.linked("We fished in Pond 3.", "Pond 3") == "Pond_3"


def test_a_worker_that_is_killed_comes_back_with_every_edit(live: Live) -> None:
    live.edit("POST", "", 201, id="Juniper", label="Juniper Tarn", description="A tarn")
    (victim, *_) = live.states()
    assert victim in {child.pid for child in psutil.Process(live.process).children(recursive=True)}
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline
        try:
            if victim not in live.states():
                break
        except httpx2.TransportError:
            time.sleep(0.2)
    agree(live, "They rested at Juniper Tarn.", "Juniper Tarn", "Juniper")


def test_each_worker_links_in_a_second_knowledge_base_until_it_is_deleted(
    live: Live, starter_home: Path, tmp_path: Path
) -> None:
    text = "They fished for pike in Birch Water, a pond behind the mill."
    for round_ in range(2):
        (tmp_path / "ponds.jsonl").write_text(
            json.dumps({"id": f"Pond_{round_}", "label": "Birch Water", "description": "A pond behind the mill"})
        )
        done = run(starter_home, "kb", "import", str(tmp_path / "ponds.jsonl"), "--namespace", "ponds")
        assert done.returncode == 0, done.stderr
        assert [live.linked(text, "Birch Water", "ponds") for _ in range(10)] == [f"Pond_{round_}"] * 10
        assert live.linked("They rested at Lake Alder.", "Lake Alder") == "Lake_Alder"
        live.edit("PATCH", f"/Pond_{round_}?namespace=ponds", 200, label="Mill Pond", aliases=[{"text": "Mill Pond"}])
        newest = live.client.get("/v1/changes?namespace=ponds&since=0&limit=1").json()["kb_version"]
        live.everywhere(lambda state: bool(state["kb_version"] >= newest), "ponds")  # noqa: B023
        assert live.linked("They fished in Mill Pond.", "Mill Pond", "ponds") == f"Pond_{round_}"
        gone = live.client.delete("/v1/namespaces/ponds?force=true", headers=live.key)
        assert gone.status_code == 204, gone.text
        assert {live.ask(text, "Birch Water", "ponds").status_code for _ in range(10)} == {404}
