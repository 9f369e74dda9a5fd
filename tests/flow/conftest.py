from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from app.service import Service


@pytest.fixture(scope="session")
def client(starter_service: "Service") -> Iterator[TestClient]:
    """The API over the starter KB, in this process."""
    from api_client import serving

    with serving(starter_service) as client:
        yield client
