"""A simple model of the knowledge base in memory: what edits make of it, and why they are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import hypothesis.strategies as st
import orjson

from kb.conflicts import EntityMissing, Redirected
from kb.curation import stage as staged
from kb.importers.checks import entity_record

IDS = ("a", "b/c", r"d\	", "é", *"fghijklm")
LISTS = ("aliases", "types", "relations")
Content = dict[str, Any]
State = Content | None
Expected = type[Exception]
Claim = tuple[str, str]

names = st.sampled_from(["One", "Two", "Þrír", "4\\"])
ids = st.sampled_from(IDS)
alias = st.fixed_dictionaries({"text": names, "count": st.integers(0, 3)})
edge = st.fixed_dictionaries({"predicate": st.sampled_from(["p", "q"]), "object": ids})
fields: dict[str, st.SearchStrategy[Any]] = {
    "description": st.none() | names,
    "aliases": st.lists(alias, max_size=2),
    "types": st.lists(st.sampled_from(["t", "u"]), max_size=2),
    "relations": st.lists(edge, max_size=3),
    "xrefs": st.dictionaries(st.sampled_from(["viaf", "wikidata"]), st.sampled_from("123456"), max_size=2),
    "popularity": st.integers(0, 2),
}
contents = st.fixed_dictionaries({"label": names}, optional=fields)
filters = st.fixed_dictionaries(
    {},
    optional={
        "ids": st.lists(ids, max_size=6),
        "type_id": st.sampled_from(["t", "u"]),
        "missing_description": st.booleans(),
    },
)
bulk_patches = st.fixed_dictionaries(
    {
        "put": st.fixed_dictionaries({}, optional={name: fields[name] for name in ("description", "popularity")}),
        "add": st.fixed_dictionaries({}, optional={name: fields[name] for name in LISTS}),
        "remove": st.fixed_dictionaries(
            {},
            optional={
                "aliases": st.lists(names, max_size=2),
                "types": fields["types"],
                "relations": fields["relations"],
                "xrefs": st.lists(st.sampled_from(["viaf", "wikidata"]), max_size=1),
            },
        ),
    }
)


def normal(content: Content) -> Content:
    return dict(orjson.loads(staged(entity_record(content)).line))


def live(state: State) -> bool:
    return state is not None and "redirect" not in state


def claims(states: Iterable[State]) -> Counter[Claim]:
    """Count the xrefs of entities."""
    return Counter(claim for state in states for claim in (state or {}).get("xrefs", {}).items())


class CurationModel:
    """The state of each id (an entity, where it leads, or None), and what would come of an edit."""

    def __init__(self) -> None:
        super().__init__()
        self.now: dict[str, State] = {}

    def end(self, key: str, states: Mapping[str, State] | None = None) -> str | None:
        """Return where an id leads in the end; None in a circle."""
        seen = {key}
        now = self.now if states is None else states
        while (state := now.get(key)) is not None and "redirect" in state:
            key = state["redirect"]
            if key in seen:
                return None
            seen.add(key)
        return key

    def reason(self, key: str) -> Expected | None:
        """Return why an entity cannot be edited."""
        state = self.now.get(key)
        return Redirected if state is not None and "redirect" in state else None if live(state) else EntityMissing

    def resolved(self, content: Content, before: State = None) -> Content | None:
        """Return an entity whose new relations lead where their objects lead; None where one leads to itself."""
        known = before["relations"] if before is not None else []
        edges = [e if e in known else {**e, "object": self.end(e["object"])} for e in content["relations"]]
        if any(e["object"] == content["id"] for e in edges):
            return None
        return normal({**content, "relations": edges})

    def taken(self, after: Mapping[str, State], shared: Collection[Claim] = ()) -> bool:
        """Say whether an entity would claim an xref that another one has, and that none of those edited gave up."""
        more = claims(after.values()) - claims(self.now.get(key) for key in after)
        states = {**self.now, **after}
        for key, state in after.items():
            new = claims([state]).keys() - claims([self.now.get(key)]).keys() - set(shared)
            others = [s for k, s in states.items() if k != key and live(s)]
            if new & more.keys() & claims(others).keys():
                return True
        return False

    def united(self, kept: Content, gone: Content, choices: dict[str, str]) -> Content:
        counts = Counter({a["text"]: a["count"] for a in kept["aliases"]})
        counts.update({a["text"]: a["count"] for a in gone["aliases"]})
        both = {kept["id"], gone["id"]}
        return normal(
            {
                **kept,
                "description": kept["description"] or gone["description"],
                "aliases": [{"text": name, "count": count} for name, count in counts.items()],
                "types": kept["types"] + gone["types"],
                "relations": [e for e in kept["relations"] + gone["relations"] if e["object"] not in both],
                "xrefs": gone["xrefs"] | kept["xrefs"] | choices,
                "popularity": kept["popularity"] + gone["popularity"],
            }
        )

    def matching(self, which: Content) -> list[str]:
        """Return the ids of the entities that a filter lets through."""
        found = []
        for key, state in self.now.items():
            if state is None or not live(state) or key not in which.get("ids", [key]):
                continue
            of_type = "type_id" not in which or which["type_id"] in state["types"]
            if of_type and not (which.get("missing_description") and state["description"]):
                found.append(key)
        return found

    def bulk_patched(self, state: Content, patch: Content) -> Content | None:
        """Return an entity with a patch applied; None where a relation would lead from it to itself."""
        kept = {name: [i for i in state[name] if i not in patch["remove"].get(name, ())] for name in LISTS[1:]}
        more = {name: patch["add"].get(name, []) for name in LISTS[1:]}
        more["relations"] = [e for e in more["relations"] if e["object"] != state["id"]]
        counts = {
            a["text"]: a["count"] for a in state["aliases"] if a["text"] not in patch["remove"].get("aliases", ())
        }
        counts |= {a["text"]: a["count"] for a in patch["add"].get("aliases", ())}
        after = {**state, **patch["put"], "aliases": [{"text": name, "count": count} for name, count in counts.items()]}
        after |= {name: kept[name] + [i for i in more[name] if i not in kept[name]] for name in LISTS[1:]}
        after["xrefs"] = {s: v for s, v in state["xrefs"].items() if s not in patch["remove"].get("xrefs", ())}
        return self.resolved(normal(after), state)

    def led(self, old: str, new: str, but: set[str]) -> dict[str, State]:
        """Return entities with relations to one, changed so that these lead to another one."""
        found: dict[str, State] = {}
        for key, state in self.now.items():
            if (
                state is not None
                and live(state)
                and key not in but
                and any(e["object"] == old for e in state["relations"])
            ):
                edges = [{**e, "object": new} if e["object"] == old else e for e in state["relations"]]
                found[key] = normal({**state, "relations": edges})
        return found

    def parts(
        self, before: Content, fresh: Content, moved: dict[str, list[Any]], schemes: list[str]
    ) -> dict[str, State] | None:
        """Return what stays of an entity, and the new one; None where that would be related to itself."""
        left = {**before, "xrefs": {s: v for s, v in before["xrefs"].items() if s not in schemes}}
        made = {**fresh, "xrefs": fresh["xrefs"] | {s: before["xrefs"][s] for s in schemes}}
        for name in LISTS:
            left[name] = [item for item in before[name] if item not in moved[name]]
            made[name] = fresh[name] + moved[name]
        resolved = self.resolved(normal(made), before)
        return None if resolved is None else {before["id"]: normal(left), fresh["id"]: resolved}

    def undone(self, current: State, before: State, after: State) -> tuple[State, bool, bool]:
        """Return a state with a revision undone, whether later edits clash with that, and whether for good."""
        if before is None or after is None or not live(before) or not live(after):
            return before, current not in (before, after), False
        if current is None or not live(current):
            return current, True, True
        differing = [name for name in before if before[name] != after[name] and current[name] != before[name]]
        goal = current | {name: before[name] for name in differing}
        return goal, any(current[name] != after[name] for name in differing), False

    def some(self, data: st.DataObject, which: Callable[[str], bool]) -> str:
        """Draw an id that fits, mostly, and any now and then."""
        fitting = [key for key in IDS if which(key)]
        return data.draw(st.sampled_from(fitting) if fitting and data.draw(st.integers(0, 9)) else ids)

    def there(self, key: str) -> bool:
        return live(self.now.get(key))

    def unused(self, key: str) -> bool:
        return key not in self.now

    def pointed(self, incoming: Collection[tuple[str, str]], old: str, new: str) -> dict[str, State]:
        """Return entities with those of their relations to one that are named led to another one."""
        found: dict[str, State] = {}
        for key, state in self.now.items():
            chosen = {predicate for subject, predicate in incoming if subject == key}
            if chosen and state is not None:
                moved = [e["object"] == old and e["predicate"] in chosen for e in state["relations"]]
                pairs = zip(state["relations"], moved, strict=True)
                found[key] = normal({**state, "relations": [{**e, "object": new} if m else e for e, m in pairs]})
        return found
