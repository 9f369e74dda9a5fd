"""HTTP that is none: what reaches no route, because its headers or its framing cannot be read, is a problem too."""

from __future__ import annotations

import uuid

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import ProblemError, problem_response
from app.schemas.problem import FieldProblem

REMEDY = "send HTTP/1.1 whose Content-Length, if there is one, is a number and is the length of the body in bytes"


class ProblemProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which answers plain text to what it cannot read, answering problem+json."""

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be read, and close the connection: what follows cannot be read either."""
        request_id = uuid.uuid4().hex
        error = FieldProblem(field="request", detail=msg.rstrip("."), remedy=REMEDY)
        headers = {"Connection": "close", "X-Request-ID": request_id}
        response = problem_response(ProblemError("bad-request", [error], headers=headers), request_id)
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in response.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
