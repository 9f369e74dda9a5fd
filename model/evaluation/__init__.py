"""Evaluation: how well linkers do on labelled documents. See docs/evaluation.md for every rule and number."""

from model.evaluation.corpus import Corpus, CorpusSummary, GoldMention, LabelledDocument, Selection, read_documents
from model.evaluation.corpus_lines import CorpusError
from model.evaluation.harness import KnowledgeBase, Linker, LinkerContractError, evaluate
from model.evaluation.results import Evaluation, Mode, Settings

__all__ = [
    "Corpus",
    "CorpusError",
    "CorpusSummary",
    "Evaluation",
    "GoldMention",
    "KnowledgeBase",
    "LabelledDocument",
    "Linker",
    "LinkerContractError",
    "Mode",
    "Selection",
    "Settings",
    "evaluate",
    "read_documents",
]
