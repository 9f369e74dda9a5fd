"""What the linker promises of its answers, whatever it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from test_long_texts import PARTS

from model.linker import BATCH_CHARACTERS, Linker
from model.types import Document, Link, LinkedDocument, LinkOptions, Span

EVERYTHING = LinkOptions(max_candidates=30)
ODD = ["", " ", "\x00", "\u200b", "\n\n\n", "\U0001f600", "e\u0301", "ירושלים", "of", "." * 500, "x" * 10_000]


def one(linker: Linker, text: str, options: LinkOptions = EVERYTHING, name: str | None = None) -> list[Link]:
    """The links of a text, of one given name in it if there is one."""
    spans = None if name is None else (Span(text.index(name), text.index(name) + len(name)),)
    (answer,) = linker.link([Document("x", text, spans)], options)
    return list(answer.links)


def test_answers_name_versions_and_documents(starter_linker: Linker) -> None:
    answers = starter_linker.link([Document("a", PARTS[0]), Document("b", ""), Document("a", PARTS[1])])
    assert [answer.id for answer in answers] == ["a", "b", "a"]
    assert {answer.kb_version for answer in answers} == {starter_linker.source.kb_version}
    assert {answer.model_version for answer in answers} == {starter_linker.version}
    assert starter_linker.link([]) == []


def test_numbers_are_probabilities_and_candidates_come_best_first(starter_linker: Linker) -> None:
    for answer in starter_linker.link([Document(text, text) for text in [*PARTS, *ODD]], EVERYTHING):
        starts = [link.start for link in answer.links]
        assert starts == sorted(starts)
        for link in answer.links:
            assert 0 <= link.mention_score <= 1
            assert 0 <= link.confidence <= 1
            assert 0 <= link.nil_probability <= 1
            assert len(link.candidates) <= 30
            scores = [candidate.score for candidate in link.candidates]
            assert scores == sorted(scores, reverse=True)
            if link.entity is not None:
                assert link.entity == link.candidates[0].entity


@pytest.mark.parametrize("text", ODD)
def test_texts_without_names_have_no_links(starter_linker: Linker, text: str) -> None:
    assert [link for link in one(starter_linker, text) if link.entity] == []


@pytest.mark.parametrize("count", [0, 1, 5, 30])
def test_as_many_candidates_as_were_asked_for(starter_linker: Linker, count: int) -> None:
    (all_of_them,) = one(starter_linker, PARTS[2], name="Jordan")
    (link,) = one(starter_linker, PARTS[2], LinkOptions(max_candidates=count), name="Jordan")
    assert link.candidates == all_of_them.candidates[:count]
    assert link.entity == all_of_them.entity


def test_types_rule_candidates_out(tiny_linker: Linker) -> None:
    text = "Helen of Troy left with Paris for the city."

    def entities(*types: str) -> set[str]:
        options = LinkOptions(types=frozenset(types), max_candidates=30)
        (link,) = one(tiny_linker, text, options, name="Paris")
        return {candidate.entity for candidate in link.candidates}

    assert {"Paris", "Paris_(mythology)", "Paris,_Texas"} <= entities()
    assert entities("person") == {"Paris_(mythology)"}
    assert entities("city") >= {"Paris"}
    assert not entities("city") & {"Paris_(mythology)", "Paris,_Texas", "France"}
    assert entities("place") >= entities("city")  # a city is a place
    assert entities("person", "city") == entities("person") | entities("city")
    assert entities("unheard of") == set()


def test_where_no_candidate_is_of_the_type_the_answer_is_nil(tiny_linker: Linker) -> None:
    (link,) = one(tiny_linker, PARTS[5], LinkOptions(types=frozenset({"unheard of"})), name="Paris")
    assert link.entity is None
    assert (link.nil_probability, link.confidence) == (pytest.approx(1.0), 1.0)
    (link,) = one(tiny_linker, PARTS[5], LinkOptions(types=frozenset({"person"})), name="Paris")
    assert link.entity in {None, "Paris_(mythology)"}


def test_links_below_the_smallest_confidence_are_left_out(starter_linker: Linker) -> None:
    text = " ".join(PARTS)
    found = one(starter_linker, text)
    level = sorted(link.confidence for link in found if link.entity)[len(found) // 2]
    sure = one(starter_linker, text, LinkOptions(min_confidence=level, max_candidates=30))
    assert sure == [link for link in found if link.entity and link.confidence >= level]
    assert 0 < len(sure) < len(found)
    assert one(starter_linker, text, LinkOptions(min_confidence=1.0)) == []


def test_given_mentions_below_the_smallest_confidence_are_nil(starter_linker: Linker) -> None:
    (link,) = one(starter_linker, PARTS[2], name="Jordan")
    (unsure,) = one(starter_linker, PARTS[2], LinkOptions(min_confidence=1.0), name="Jordan")
    assert link.entity == "Jordan"
    assert unsure.entity is None
    assert unsure.confidence == pytest.approx(max(link.nil_probability, 1 - link.confidence))


def test_a_name_that_the_knowledge_base_lacks_is_nil(starter_linker: Linker) -> None:
    (link,) = one(starter_linker, "The painter Zebulon Quuxington was born here.", name="Zebulon Quuxington")
    assert link.entity is None
    assert link.nil_probability > 0.5
    assert link.confidence >= link.nil_probability


def test_a_documents_links_do_not_depend_on_the_others(starter_linker: Linker) -> None:
    documents = [Document(str(index), text) for index, text in enumerate([*PARTS, *ODD, " ".join(PARTS)])]
    assert sum(len(document.text) for document in documents) > BATCH_CHARACTERS  # several batches
    together = starter_linker.link(documents, EVERYTHING)
    assert starter_linker.link(documents[::-1], EVERYTHING)[::-1] == together
    assert [starter_linker.link([document], EVERYTHING)[0] for document in documents] == together


def test_given_and_detected_mentions_stand_beside_each_other(starter_linker: Linker) -> None:
    jordan = PARTS[2].index("Jordan")
    spans = (Span(jordan, jordan + 6), Span(0, 3))
    documents = [Document("given", PARTS[2], spans), Document("empty", ""), Document("found", PARTS[2])]
    documents.append(Document("none", PARTS[2], ()))
    answers = starter_linker.link(documents, EVERYTHING)
    assert [(link.start, link.end) for link in answers[0].links] == [(jordan, jordan + 6), (0, 3)]
    assert answers[1].links == answers[3].links == ()
    assert [starter_linker.link([document], EVERYTHING)[0] for document in documents] == answers


def test_work_goes_on_only_as_long_as_it_may(starter_linker: Linker) -> None:
    documents = [Document(str(index), PARTS[0]) for index in range(4)]
    asked = 0

    def proceed() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        starter_linker.link(documents, proceed=proceed)
    assert asked == 3
    starter_linker.link(documents, proceed=proceed)
    assert asked - 3 >= len(documents)


def test_threads_get_the_same_answers(starter_linker: Linker) -> None:
    documents = [Document(str(index), text) for index, text in enumerate(PARTS)]
    expected = starter_linker.link(documents, EVERYTHING)

    def ask(turn: int) -> list[LinkedDocument]:
        at = turn % len(documents)
        found = starter_linker.link(documents[at:] + documents[:at], EVERYTHING)
        return found[len(documents) - at :] + found[: len(documents) - at]

    with ThreadPoolExecutor(6) as pool:
        assert all(found == expected for found in pool.map(ask, range(18)))
