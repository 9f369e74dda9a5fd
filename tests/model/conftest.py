"""Real encoders, and linkers over the starter KB and over a small part of the development data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model.encoder import Backend, Encoder, load_encoder
from model.linker import Linker

if TYPE_CHECKING:
    from sample_kb import Sample

    from app.service import Service


@pytest.fixture(scope="session")
def graphs(starter_home: Path) -> Path:
    """The folder in which the encoder's graphs are cached."""
    return starter_home / "cache" / "encoder"


@pytest.fixture(scope="session")
def encoders(graphs: Path) -> dict[Backend, Encoder]:
    """One encoder a backend."""
    backends: tuple[Backend, ...] = ("torch", "onnx-fp32", "onnx-int8")
    return {backend: load_encoder(graphs, backend) for backend in backends}


@pytest.fixture(scope="session")
def starter_linker(starter_service: Service) -> Linker:
    """The linker over the starter KB."""
    linker: Linker = starter_service.linker.pipeline  # type: ignore[attr-defined]
    return linker


@pytest.fixture(scope="session")
def sample(shared_data: Path) -> Sample:
    """Fixed development documents and the entities that their names may mean."""
    from sample_kb import read_sample

    return read_sample(shared_data)


@pytest.fixture(scope="session")
def sample_linkers(
    sample: Sample, encoders: dict[Backend, Encoder], tmp_path_factory: pytest.TempPathFactory
) -> dict[Backend, Linker]:
    """One linker a backend over the sample's entities, which are encoded by that backend's precision."""
    from sample_kb import linker_over

    home = tmp_path_factory.mktemp("sample")
    return {backend: linker_over(sample.source, encoder, home) for backend, encoder in encoders.items()}


@pytest.fixture(scope="session")
def tiny_linker(encoders: dict[Backend, Encoder], tmp_path_factory: pytest.TempPathFactory) -> Linker:
    """A linker over a few entities made by hand: see `tiny_kb`."""
    import tiny_kb
    from sample_kb import linker_over, source_of

    source = source_of(tiny_kb.ENTITIES, tiny_kb.TYPES, tiny_kb.PREDICATES)
    return linker_over(source, encoders["onnx-int8"], tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def used_linker(tiny_linker: Linker, tmp_path_factory: pytest.TempPathFactory) -> Linker:
    """The linker over a few entities made by hand, of which some links were encoded: see `test_link_usage`."""
    import tiny_kb
    from sample_kb import linker_over, source_of
    from test_link_usage import DOCUMENTS

    from kb.usage import Usage
    from model.fitting.usage import LinkEncoder, UsageSums, encode_links

    sums, folder = UsageSums(), tmp_path_factory.mktemp("used")
    there = {entity.id for entity in tiny_kb.ENTITIES}
    encoder = LinkEncoder(tiny_linker.encoder, folder)
    encode_links(DOCUMENTS, encoder, lambda ids: {key: key for key in ids if key in there}, sums)
    source = source_of(tiny_kb.ENTITIES, tiny_kb.TYPES, tiny_kb.PREDICATES, Usage(*sums.means()))
    return linker_over(source, tiny_linker.encoder, folder)


@pytest.fixture(scope="session")
def training_linker(encoders: dict[Backend, Encoder], tmp_path_factory: pytest.TempPathFactory) -> Linker:
    """A linker over entities that share short names: see `training_kb`."""
    import training_kb
    from sample_kb import linker_over, source_of

    source = source_of(training_kb.ENTITIES, training_kb.TYPES)
    return linker_over(source, encoders["onnx-int8"], tmp_path_factory.mktemp("training"))
