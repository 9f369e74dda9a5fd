from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from evaluation_helpers import KB, DictionaryKB, DictionaryLinker, ScriptedLinker, gold, labelled, link, perfect
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation import Evaluation, GoldMention, LabelledDocument, LinkerContractError, Mode, Settings, evaluate
from model.types import Document, LinkedDocument, LinkOptions

FEW = Settings(resamples=50, examples=3)
TEXT = "Lincoln lies in Nebraska, not in Illinois."
NAMES = {"Lincoln": ("B", "D"), "Nebraska": ("C",), "Illinois": ("A", "B")}


def lincoln(name: str = "d", source: str = "s") -> LabelledDocument:
    mentions = (gold(0, 7, "B"), gold(16, 24, "C"), gold(33, 41, None))
    return labelled(*mentions, name=name, source=source, text=TEXT)


def run(documents: Sequence[LabelledDocument], mode: Mode, **systems: object) -> Evaluation:
    return evaluate(documents, systems, KB, mode, settings=FEW)  # type: ignore[arg-type]


def test_d2kb_from_end_to_end() -> None:
    evaluation = run(
        [lincoln()], "d2kb", ours=DictionaryLinker(NAMES), theirs=DictionaryLinker({"Lincoln": ("D", "B")})
    )
    group = evaluation.together
    assert (group.name, group.gold.in_kb, group.gold.out_of_kb, group.partial_annotation) == ("s", 2, 1, False)
    ours, theirs = group.systems["ours"], group.systems["theirs"]
    assert ours.accuracy is not None
    assert (ours.accuracy.correct, ours.accuracy.total) == (2, 2)
    assert (ours.links.micro.true_positives, ours.links.micro.false_positives) == (2, 1)  # Illinois is not in the KB
    assert ours.nil is not None
    assert ours.nil.recall == 0.0
    assert ours.detection is None
    assert theirs.accuracy is not None
    assert theirs.accuracy.value == 0.0
    assert theirs.nil is not None
    assert (theirs.nil.precision, theirs.nil.recall) == (0.5, 1.0)  # Nebraska was answered NIL too
    assert (ours.model_version, ours.kb_version) == ("dictionary", 7)
    # NIL answers are part of d2kb's calibration.
    assert (ours.calibration.answers, theirs.calibration.answers) == (3, 3)
    (comparison,) = group.comparisons
    assert (comparison.metric, comparison.system, comparison.baseline) == ("accuracy", "ours", "theirs")
    assert comparison.difference == 1.0


def test_a2kb_from_end_to_end() -> None:
    document = replace(lincoln(), mentions=(*lincoln().mentions, gold(8, 12, "A", "coref")))
    linker = DictionaryLinker(NAMES | {"lies": ("A",), "not": ("D",)})
    scores = run([document], "a2kb", ours=linker).together.systems["ours"]
    # Right: Lincoln, Nebraska. Wrong: Illinois (outside the KB), "not" (no gold). Ignored: "lies" (coref).
    micro = scores.links.micro
    assert (micro.true_positives, micro.false_positives, micro.false_negatives) == (2, 2, 0)
    assert scores.accuracy is None
    assert scores.detection is not None
    assert (scores.detection.spans.true_positives, scores.detection.spans.false_positives) == (3, 1)
    assert scores.calibration.answers == 4
    assert scores.errors.counts["false_link"].wrong == 2
    assert {e.predicted_entity for e in scores.errors.examples} == {"A", "D"}


def test_only_counting_gold_is_given() -> None:
    given: list[Document] = []

    class Recorder:
        def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
            given.extend(documents)
            assert (options.max_candidates, options.min_confidence) == (30, 0.25)
            return DictionaryLinker({}).link(documents, options)

    document = labelled(gold(9, 12, "A"), gold(0, 3, "B"), gold(4, 6, "C", "nested"), gold(20, 22, "D"), area=(0, 15))
    settings = replace(FEW, min_confidence=0.25)
    evaluate([document], {"r": Recorder()}, KB, "d2kb", settings=settings)
    evaluate([document], {"r": Recorder()}, KB, "a2kb", settings=settings)
    first, second = given
    assert [(span.start, span.end) for span in first.mentions or ()] == [(0, 3), (9, 12)]
    assert second.mentions is None


@pytest.mark.parametrize("mode", ["d2kb", "a2kb"])
def test_perfect_answers_score_one(mode: Mode) -> None:
    documents = [
        labelled(gold(0, 2, "A"), gold(3, 5, "B"), gold(6, 8, None), gold(3, 4, "C", "nested"), name="1"),
        labelled(gold(0, 2, "D"), gold(4, 9, "elsewhere"), name="2"),
        labelled(name="3"),
    ]
    scores = run(documents, mode, ours=perfect(documents)).together.systems["ours"]
    assert (scores.links.micro.precision, scores.links.micro.recall, scores.links.micro.f1) == (1.0, 1.0, 1.0)
    assert (scores.links.macro.precision, scores.links.macro.recall, scores.links.macro.f1) == (1.0, 1.0, 1.0)
    assert (scores.links.macro.documents, scores.links.macro.left_out) == (2, 1)
    assert scores.nil is not None
    assert scores.nil.f1 == 1.0
    assert scores.calibration.ece == 0.0
    assert scores.selective.aurc == 0.0
    assert scores.candidates.recall_at["1"] == 1.0
    assert scores.sweep.oracle.f1 == 1.0
    assert scores.errors.examples == ()
    assert scores.links.f1_interval is not None
    assert (scores.links.f1_interval.low, scores.links.f1_interval.high) == (1.0, 1.0)


def test_sources_apart_and_together() -> None:
    documents = [lincoln("1", "web"), lincoln("2", "news"), lincoln("3", "news")]
    evaluation = run(documents, "d2kb", ours=DictionaryLinker(NAMES))
    assert [(g.name, g.gold.documents) for g in evaluation.groups] == [("news", 2), ("web", 1), ("all", 3)]
    assert evaluation.together.name == "all"


def test_notes() -> None:
    anchors = [labelled(gold(0, 2, "A", "anchor"), gold(3, 5, "elsewhere", "table"))]
    linker = ScriptedLinker({"d": [link(0, 2, "A"), link(3, 5, None)]})
    d2kb, a2kb = (run(anchors, mode, ours=linker).together for mode in ("d2kb", "a2kb"))
    assert d2kb.partial_annotation
    assert d2kb.gold.kinds == {"anchor": 1, "table": 1}
    assert len(d2kb.notes) == 1
    assert "1 gold mentions name an entity that this KB does not have" in d2kb.notes[0]
    assert "lower bound" in a2kb.notes[0]
    empty = evaluate(anchors, {"ours": linker}, DictionaryKB({}), "d2kb", settings=FEW).together
    assert "No gold mention has its entity in this KB" in empty.notes[-1]
    assert empty.systems["ours"].accuracy is not None
    assert empty.systems["ours"].accuracy.value is None


def test_a_kb_that_changes_meanwhile_is_told() -> None:
    class Growing(ScriptedLinker):
        def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
            self.kb_version += 1
            return super().link(documents, options)

    documents = [labelled(name=f"{n}") for n in range(40)]  # two batches
    group = run(documents, "a2kb", ours=Growing({})).together
    assert group.notes[-1] == "The knowledge base changed while this was evaluated: kb_version 8 to 9."
    assert group.systems["ours"].kb_version == 9


def test_progress_counts_documents_of_all_systems() -> None:
    done: list[int] = []
    documents = [lincoln(f"{n}") for n in range(70)]
    systems = {"ours": DictionaryLinker(NAMES), "theirs": DictionaryLinker({})}
    evaluate(documents, systems, KB, "a2kb", done.append, FEW)
    assert sum(done) == 140
    assert len(done) == 6


def test_answers_that_cannot_be_scored() -> None:
    document = lincoln()

    class Silent:
        def link(self, documents: Sequence[Document], options: LinkOptions) -> list[LinkedDocument]:
            assert options
            return [LinkedDocument("another", (), 1, "m") for _ in documents]

    for linker, message in (
        (Silent(), "did not answer the documents"),
        (ScriptedLinker({"d": [link(0, 7, "A")]}), "did not answer the given mentions of 'd'"),
    ):
        with pytest.raises(LinkerContractError, match=message):
            run([document], "d2kb", ours=linker)
    for answer, message in (
        (link(0, 7, "A", 1.5), "has confidence 1.5"),
        (link(0, 7, "A", float("nan")), "has confidence nan"),
        (link(40, 43, "A"), "does not fit a text of 42"),
        (link(3, 3, "A"), "does not fit"),
    ):
        with pytest.raises(LinkerContractError, match=message):
            run([document], "a2kb", ours=ScriptedLinker({"d": [answer]}))


def test_nothing_to_evaluate() -> None:
    with pytest.raises(ValueError, match="no systems"):
        run([lincoln()], "d2kb")
    with pytest.raises(ValueError, match="no documents"):
        run([], "d2kb", ours=DictionaryLinker({}))


def test_identical_systems_do_not_differ() -> None:
    documents = [lincoln(f"{n}") for n in range(5)]
    group = run(documents, "a2kb", a=DictionaryLinker(NAMES), b=DictionaryLinker(NAMES)).together
    (comparison,) = group.comparisons
    assert (comparison.difference, comparison.p_value) == (0.0, 1.0)
    assert (comparison.interval.low, comparison.interval.high) == (0.0, 0.0)


def test_examples_are_a_sample_that_stays() -> None:
    documents = [labelled(gold(0, 2, "A"), name=f"d{n}") for n in range(30)]
    silent = ScriptedLinker({})
    all_of_them = run(documents, "a2kb", ours=silent).together.systems["ours"].errors
    assert all_of_them.counts["not_detected"].missed == 30
    assert len(all_of_them.examples) == 3
    kept = {e.document for e in all_of_them.examples}
    fewer = run([d for d in documents if d.id in kept or d.id > "d2"], "a2kb", ours=silent)
    assert {e.document for e in fewer.together.systems["ours"].errors.examples} == kept


def test_example_shows_the_surroundings() -> None:
    words = " ".join(["word"] * 100)
    text = f"{words} Lincoln {words}"
    document = labelled(gold(500, 507, "B"), text=text)
    assert text[500:507] == "Lincoln"
    scores = run([document], "a2kb", ours=ScriptedLinker({"d": [link(500, 507, "A", 0.4, ["A", "B"])]}))
    (example,) = scores.together.systems["ours"].errors.examples
    assert example.category == "wrong_choice"
    assert example.gold_span == example.predicted_span
    assert example.gold_span is not None
    assert example.window[slice(*example.gold_span)] == "Lincoln"
    assert text[example.window_start :].startswith(example.window)
    assert example.window.startswith("word")
    assert example.window.endswith("word")
    assert len(example.window) < 200
    assert (example.gold_entity, example.predicted_entity, example.gold_rank, example.confidence) == ("B", "A", 2, 0.4)


spans = st.tuples(st.integers(0, 30), st.integers(1, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
names = st.sampled_from(["A", "B", "C", "D", None])


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[LabelledDocument], ScriptedLinker]:
    documents, script = [], {}
    for n in range(draw(st.integers(1, 5))):
        mentions: dict[tuple[int, int], GoldMention] = {}
        for start, end in draw(st.lists(spans, max_size=4)):
            kind = draw(st.sampled_from(["gold", "gold", "gold", "nested"]))
            mentions[start, end] = gold(start, end, draw(names), kind)
        source = draw(st.sampled_from(["x", "y"]))
        documents.append(labelled(*mentions.values(), name=f"d{n}", source=source))
        places = draw(st.lists(st.sampled_from(sorted(mentions)) if mentions else spans, max_size=5))
        script[f"d{n}"] = [link(*place, draw(names), draw(st.floats(0, 1))) for place in places]
    return documents, ScriptedLinker(script)


@settings(deadline=None, max_examples=60)
@given(corpora(), st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(
    found: tuple[list[LabelledDocument], ScriptedLinker], random: Random
) -> None:
    documents, linker = found
    shuffled = list(documents)
    random.shuffle(shuffled)
    other = perfect(documents)
    assert run(documents, "a2kb", ours=linker, best=other) == run(shuffled, "a2kb", ours=linker, best=other)


@settings(deadline=None, max_examples=60)
@given(corpora())
def test_bounds(found: tuple[list[LabelledDocument], ScriptedLinker]) -> None:
    documents, linker = found
    for group in run(documents, "a2kb", ours=linker).groups:
        scores = group.systems["ours"]
        micro, macro = scores.links.micro, scores.links.macro
        for value in (micro.precision, micro.recall, micro.f1, macro.precision, macro.recall, macro.f1):
            assert 0.0 <= value <= 1.0
        assert min(micro.precision, micro.recall) <= micro.f1 + 1e-12
        assert micro.f1 <= max(micro.precision, micro.recall) + 1e-12
        assert scores.sweep.oracle.f1 >= micro.f1 - 1e-12
        assert scores.sweep.points[0].f1 == micro.f1
        assert micro.true_positives + micro.false_negatives == group.gold.in_kb
        assert sum(s.accuracy.total for s in scores.slices) == group.gold.in_kb
        assert sum(s.accuracy.correct for s in scores.slices) == micro.true_positives
        assert sum(c.missed for c in scores.errors.counts.values()) == micro.false_negatives
        assert sum(c.wrong for c in scores.errors.counts.values()) == micro.false_positives


@settings(deadline=None, max_examples=40)
@given(corpora())
def test_perfect_answers_are_never_wrong(found: tuple[list[LabelledDocument], ScriptedLinker]) -> None:
    documents, _ = found
    for mode in ("d2kb", "a2kb"):
        scores = run(documents, mode, ours=perfect(documents)).together.systems["ours"]
        assert scores.links.micro.false_positives == scores.links.micro.false_negatives == 0
        assert not scores.errors.examples
