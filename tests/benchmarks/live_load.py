"""Many who link and a few who edit, at the same time; what they saw is checked while it happens."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

SETTLED = 1.0  # seconds after which an edit must be seen by everybody
THINKING = 2.0  # between the starts of two requests of one reader
RESTING = 1.0  # between the starts of two edits of one writer
LOOKING = 1.0  # between two looks at which snapshot answers come from
SHARED = [f"Shared_{number}" for number in range(3)]  # entities that all writers count up
OK, CREATED, GONE, STALE_BASE = 200, 201, 204, 412


@dataclass
class Known:
    """An entity of the writers: its name, whether it is there, and since when that is acknowledged."""

    key: str
    there: bool
    since: float


@dataclass
class Seen:
    """What happened.

    Attributes:
        latencies: of reads, in seconds.
        failed: answers that are no success, with the request.
        stale: reads that were sent more than a second after an edit was acknowledged and did not know it.
        edits: acknowledged edits.
        counted: how often each shared entity was counted up.
        linkable: seconds from the acknowledgement of a new entity to the first answer that links it.
        snapshots: names of those that answers came from.
    """

    latencies: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    edits: int = 0
    counted: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHARED, 0))
    linkable: list[float] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    snapshots: set[str] = field(default_factory=set)


class Load:
    """Readers and writers against one server."""

    def __init__(self, url: str, key: str, texts: Sequence[str]) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._texts = texts
        self.seen = Seen()

    def run(self, readers: int, writers: int, seconds: float) -> Seen:
        """Let them work for so long, and return what they saw."""
        self.seen = Seen()
        asyncio.run(self._run(readers, writers, time.monotonic() + seconds))
        return self.seen

    async def _run(self, readers: int, writers: int, end: float) -> None:
        async with httpx2.AsyncClient(
            base_url=self._url, timeout=60, limits=httpx2.Limits(max_connections=200)
        ) as client:
            if writers:
                for key in SHARED:
                    await self._edit(client, "POST", "", id=key, label=key, popularity=0)
            work = [self._again_and_again(self._read, client, number, THINKING, end) for number in range(readers)]
            work += [self._again_and_again(self._write, client, number, RESTING, end) for number in range(writers)]
            work.append(self._again_and_again(self._look, client, 0, LOOKING, end))
            await asyncio.gather(*work)

    async def _again_and_again(
        self,
        what: Callable[[httpx2.AsyncClient, random.Random], Awaitable[None]],
        client: httpx2.AsyncClient,
        number: int,
        pause: float,
        end: float,
    ) -> None:
        rng = random.Random(number)
        await asyncio.sleep(rng.random() * pause)
        while (started := time.monotonic()) < end:
            await what(client, rng)
            await asyncio.sleep(max(0.0, started + pause - time.monotonic()))

    async def _read(self, client: httpx2.AsyncClient, rng: random.Random) -> None:
        """Link a text, in which now and then an entity of the writers is named."""
        settled = [known for known in self.seen.known[-200:] if known.since < time.monotonic() - SETTLED]
        known = rng.choice(settled) if settled and rng.random() < 0.5 else None
        text = rng.choice(self._texts)
        if known is None:
            await self._annotate(client, {"text": text})
            return
        there, since = known.there, known.since
        label = _label(known.key)
        body = {"text": f"{label}. {text}", "mentions": [{"start": 0, "end": len(label)}], "candidates": 30}
        mentions = await self._annotate(client, body)
        found = {candidate["id"] for mention in mentions for candidate in mention["candidates"]}
        # Edited again meanwhile: either answer is right.
        if mentions and (known.there, known.since) == (there, since) and (known.key in found) != there:
            self.seen.stale.append(f"{known.key} there={there} since {time.monotonic() - since:.1f} s: {found}")

    async def _look(self, client: httpx2.AsyncClient, _: random.Random) -> None:
        answer = await client.get("/v1/index")
        if answer.status_code == OK:
            self.seen.snapshots.add(answer.json()["snapshot"]["name"])
        else:
            self.seen.failed.append(f"index: {answer.status_code} {answer.text}")

    async def _annotate(self, client: httpx2.AsyncClient, body: dict[str, Any]) -> list[dict[str, Any]]:
        started = time.monotonic()
        answer = await client.post("/v1/annotate", json=body)
        self.seen.latencies.append(time.monotonic() - started)
        if answer.status_code != OK:
            self.seen.failed.append(f"annotate: {answer.status_code} {answer.text}")
            return []
        mentions: list[dict[str, Any]] = answer.json()["mentions"]
        return mentions

    async def _write(self, client: httpx2.AsyncClient, rng: random.Random) -> None:
        choice = rng.random()
        if choice < 0.5:
            word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=8)).title()
            await self._create(client, f"{word}_Hamlet", rng)
        elif choice < 0.7:
            await self._delete(client, rng)
        else:
            await self._count_up(client, rng.choice(SHARED))

    async def _create(self, client: httpx2.AsyncClient, key: str, rng: random.Random) -> None:
        aliases = [{"text": _label(key), "count": 5}]
        related = [{"predicate": "near", "object": rng.choice(SHARED)}]
        described = f"A place called {_label(key)}"
        fields = {"description": described, "aliases": aliases, "types": ["place"], "relations": related}
        if (await self._edit(client, "POST", "", id=key, label=_label(key), **fields)) == CREATED:
            known = Known(key, True, time.monotonic())
            if rng.random() < 0.1:
                await self._until_linked(client, known)
            self.seen.known.append(known)

    async def _until_linked(self, client: httpx2.AsyncClient, known: Known) -> None:
        label = _label(known.key)
        body = {"text": f"They met in {label}.", "mentions": [{"start": 12, "end": 12 + len(label)}]}
        while known.key not in [m["entity"]["id"] for m in await self._annotate(client, body) if m["entity"]]:
            if time.monotonic() - known.since > 60:
                self.seen.stale.append(f"{known.key} was never linked")
                return
        self.seen.linkable.append(time.monotonic() - known.since)

    async def _delete(self, client: httpx2.AsyncClient, rng: random.Random) -> None:
        there = [known for known in self.seen.known if known.there]
        if there:
            known = rng.choice(there)
            if (await self._edit(client, "DELETE", f"/{known.key}", match="*")) == GONE:
                known.there, known.since = False, time.monotonic()

    async def _count_up(self, client: httpx2.AsyncClient, key: str) -> None:
        """Read, add one, and write what was read plus one; who was slower begins anew."""
        while True:
            answer = await client.get(f"/v1/entities/{key}", headers=self._headers)
            count = answer.json()["popularity"]
            status = await self._edit(client, "PATCH", f"/{key}", answer.headers["ETag"], popularity=count + 1)
            if status != STALE_BASE:
                self.seen.counted[key] += status == OK
                return

    async def _edit(
        self, client: httpx2.AsyncClient, method: str, path: str, match: str | None = None, **fields: Any
    ) -> int:
        headers = self._headers | ({} if match is None else {"If-Match": match})
        answer = await client.request(method, f"/v1/entities{path}", headers=headers, json=fields or None)
        if answer.status_code not in {OK, CREATED, GONE, STALE_BASE}:
            self.seen.failed.append(f"{method} {path} {fields}: {answer.status_code} {answer.text}")
        self.seen.edits += answer.status_code in {OK, CREATED, GONE}
        return answer.status_code


def _label(key: str) -> str:
    return key.replace("_", " ")
