"""What endpoints declare: who may call them.

    router = APIRouter(prefix="/v1", route_class=ApiRoute, dependencies=[Depends(READING)])

    @router.put("/things/{id}")
    def edit(caller: Annotated[Caller, Depends(require(Role.CURATOR))]) -> Thing: ...

`ApiRoute` (app/routing.py) asks before the body is read, and writes what is needed into the OpenAPI document.
"""

from __future__ import annotations

from typing import NoReturn

from fastapi import Request

from app.access.callers import CALLER, BadCredentials, Caller, Reach, read_key
from app.access.keyring import KeyRing
from app.access.limits import RateLimiter, retry_after
from app.errors import ProblemError
from app.namespaces import NAMED
from app.runtime import get_service
from app.schemas.problem import FieldProblem
from app.settings import Settings
from kb.keys import KeyRecord, Role

SEND = "send Authorization: Bearer KEY; `namesake keys create` on the server makes one"


class Access:
    """Who may do what in one application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reach = Reach(settings)
        self._ring = KeyRing()
        self._limiter = RateLimiter(settings)

    async def identify(self, request: Request) -> Caller:
        """Return who sends a request, and count it. Asked again for the same request, only the former.

        Raises:
            ProblemError: 401 for a key that is not good, 429 for too many requests.
        """
        known: Caller | None = request.scope.get(CALLER)
        if known is not None:
            return known
        address = request.client.host if request.client else "unknown"
        caller = stranger = Caller(address, self._reach.is_local(request))
        try:
            secret = read_key(request)
        except BadCredentials as error:
            await self._count(request, stranger)
            refuse(str(error), SEND, invalid=True)
        if secret is not None:
            key = await self._ring.find(get_service(request).engine, secret)
            caller = Caller(address, stranger.local, key)
        request.scope[CALLER] = caller  # also of one that is refused below: the log shall name it
        if secret is not None and (caller.key is None or caller.key.status != "good"):
            await self._count(request, stranger)
            _refuse_key(caller.key)
        await self._count(request, caller)
        return caller

    async def admit(self, request: Request, role: Role, *, keyless: bool) -> Caller:
        """Return the caller of a request that may do what `role` may.

        Raises:
            ProblemError: 401, 403 or 429.
        """
        caller = await self.identify(request)
        if caller.key is None:
            if not (keyless and self._open_to(caller)):
                refuse("there is no key", SEND)
            return caller
        namespace: str = request.scope.get(NAMED) or self._settings.namespace
        if not caller.key.good_for(namespace):
            detail = f"{caller} is good for the knowledge base {caller.key.namespace}, and this is {namespace}"
            forbid(detail, f"use a key of {namespace}; `namesake keys create` on the server makes one")
        if not caller.key.role.includes(role):
            detail = f"{caller} is {_a(caller.key.role)}, and this needs {_a(role)}"
            remedy = f"use the key of {_a(role)}; `namesake keys create --role {role}` on the server makes one"
            forbid(detail, remedy)
        return caller

    async def close(self) -> None:
        """Finish what is being written."""
        await self._ring.close()

    def _open_to(self, caller: Caller) -> bool:
        reading = self._settings.read_without_key
        return reading == "always" or (reading == "loopback" and caller.local)

    async def _count(self, request: Request, caller: Caller) -> None:
        """Take a token from the caller's bucket.

        Raises:
            ProblemError: there is none.
        """
        limiter = self._limiter
        if limiter.rate == 0 or (caller.local and not self._settings.rate_limit_loopback):
            return
        seconds = await limiter.wait_seconds(get_service(request).engine, caller.bucket)
        if seconds > 0:
            detail = f"{caller} may send {limiter.rate:g} requests a second, and {limiter.burst} at once"
            remedy = "wait for as many seconds as Retry-After says, and send several texts in one request"
            fields = [FieldProblem(field="request", detail=detail, remedy=remedy)]
            raise ProblemError("too-many-requests", fields, headers={"Retry-After": retry_after(seconds)})


class Requirement:
    """A dependency that lets callers with a role through, and returns them.

    Attributes:
        role: the least role that a key must have.
        keyless: whether the request may come without a key where `NAMESAKE_READ_WITHOUT_KEY` allows it.
    """

    def __init__(self, role: Role, *, keyless: bool = False) -> None:
        self.role = role
        self.keyless = keyless

    async def __call__(self, request: Request) -> Caller:
        """Return the caller.

        Raises:
            ProblemError: 401, 403 or 429.
        """
        access: Access = request.app.state.access
        return await access.admit(request, self.role, keyless=self.keyless)


READING = Requirement(Role.READER, keyless=True)
"""For endpoints that only read: open to this machine, unless a setting says otherwise."""


def require(role: Role) -> Requirement:
    """Return the dependency for endpoints that need a key with this role, whoever asks."""
    return Requirement(role)


def refuse(detail: str, remedy: str, *, invalid: bool = False) -> NoReturn:
    """Answer that a good key is needed.

    Raises:
        ProblemError: 401, always.
    """
    # RFC 6750: an error is named only where there was a key.
    challenge = 'Bearer error="invalid_token"' if invalid else "Bearer"
    error = FieldProblem(field="Authorization", detail=detail, remedy=remedy)
    raise ProblemError("key-needed", [error], headers={"WWW-Authenticate": challenge})


def _refuse_key(key: KeyRecord | None) -> NoReturn:
    if key is None:
        refuse("the key is not known here", SEND, invalid=True)
    if key.status == "revoked":
        refuse(f"key {key.label} is revoked", "use another key; `namesake keys create` makes one", invalid=True)
    remedy = f"use another key; `namesake keys rotate {key.id}` on the server makes a new one in its place"
    refuse(f"key {key.label} has expired", remedy, invalid=True)


def forbid(detail: str, remedy: str) -> NoReturn:
    """Answer that the key is good, but not for this.

    Raises:
        ProblemError: 403, always.
    """
    raise ProblemError("forbidden", [FieldProblem(field="Authorization", detail=detail, remedy=remedy)])


def _a(role: Role) -> str:
    return f"an {role}" if role[0] == "a" else f"a {role}"
