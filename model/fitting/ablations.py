"""Named groups of features that a fit can do without, to measure what each is worth."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from model.features import CANDIDATE_FEATURES, NIL_FEATURES, FeatureTable
from model.fitting.examples import Example

HIDDEN_UNITS = "hidden-units"
GROUPS: dict[str, tuple[str, ...]] = {
    "types": ("type_local", "type_mention", "type_predicted", "no_types"),
    "relations": ("relations", "related", "shared_neighbours"),
    "descriptions": ("description_window", "description_local", "no_description", "nil_best_description"),
    "coherence": ("coherence", "nil_best_coherence"),
    "words": ("shared_words", "shared_words_near", "words_known"),
    "popularity": (
        "log_prior",
        "prior",
        "never_linked_so",
        "log_popularity",
        "nil_best_prior",
        "nil_alias_count",
        "nil_best_popularity",
    ),
    "meaning": ("meaning", "only_by_meaning", "nil_best_meaning"),
    "usage": ("usage", "usage_window", "usage_known", "nil_best_usage"),
    HIDDEN_UNITS: (),
}


def check_groups(names: Collection[str]) -> None:
    """Refuse what is no group.

    Raises:
        ValueError: names the first that is none, and lists those that are.
    """
    for name in names:
        if name not in GROUPS:
            raise ValueError(f"there is no group of features {name!r}: name one of {', '.join(GROUPS)}")


def columns(groups: Collection[str], names: tuple[str, ...] = CANDIDATE_FEATURES) -> list[int]:
    """Return the columns of the features in these groups, among `names`."""
    return [names.index(feature) for group in groups for feature in GROUPS[group] if feature in names]


def blank(example: Example, groups: Collection[str]) -> Example:
    """Return an example in which the features of these groups say nothing: a fit gives them a weight of zero."""
    values, nil = example.values.candidates.copy(), example.values.nil.copy()
    values[:, columns(groups)] = 0
    nil[:, columns(groups, NIL_FEATURES)] = 0
    return replace(example, values=FeatureTable(values, nil))


def unencoded(examples: Sequence[Example]) -> list[Example]:
    """Return examples as they would look where nobody encoded links, so that what learns from both does without that.

    Where nobody did, there are none: they would be the same once more.
    """
    known = CANDIDATE_FEATURES.index("usage_known")
    encoded = any(example.values.candidates[:, known].any() for example in examples)
    return [blank(example, ["usage"]) for example in examples] if encoded else []
