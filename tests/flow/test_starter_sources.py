"""The starter KB is imported with the licences of what it was made from."""

from typing import TYPE_CHECKING

from sqlalchemy import text

from app.commands.up import import_starter

if TYPE_CHECKING:
    from app.service import Service


def test_every_source_of_the_starter_kb_has_its_licence(starter_service: "Service") -> None:
    # A second import of the same content changes no entity, so that other tests see what they saw before.
    assert import_starter(starter_service.engine, starter_service.settings.namespace) == 0
    with starter_service.engine.connect() as connection:
        rows = connection.execute(text("SELECT name, licence FROM source WHERE namespace = 'default' ORDER BY name"))
        assert rows.all() == [("geonames", "CC-BY-4.0"), ("namesake", "Apache-2.0")]
