"""From examples to padded batches: windows with their gold, and what training hides of them.

Regularisation (Orr et al., 2020, and its successor): what the KB says of an entity beyond its words (types, relations)
is hidden more often for rare entities, the mention's own words and the title more often for popular ones, so that the
first do not lean on structure seen a few times, nor the second on a name that is always theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.features import CANDIDATE_FEATURES
from model.fusion.inputs import WindowInputs, window_inputs
from model.fusion.network import Batch
from model.protocols import EntityStore, IntArray
from model.training.examples import Example
from model.training.popularity import rare_probability

Random = np.random.Generator
MOST_CELLS = 600_000  # pairs of candidates in one padded batch: what fits in memory and in a cache
TITLE, DESCRIPTION, TYPES = range(3)
OWN, FIRST, LAST = 0, 3, 4  # views of a mention that are its own words
RELATION_FEATURES = [CANDIDATE_FEATURES.index(name) for name in ("relations", "related", "shared_neighbours")]
TYPE_FEATURES = [CANDIDATE_FEATURES.index(name) for name in ("type_local", "type_mention", "type_predicted")]
DESCRIPTION_FEATURES = [CANDIDATE_FEATURES.index(name) for name in ("description_window", "description_local")]


@dataclass(frozen=True, slots=True)
class Hiding:
    """What training hides.

    Attributes:
        gold: share of mentions whose right candidate is taken away, so that NIL is right.
        channel: share of entities' descriptions and of their types that are taken away.
        popularity: hide by popularity, see above.
    """

    gold: float = 0.15
    channel: float = 0.1
    popularity: bool = True


@dataclass(frozen=True, slots=True)
class Labelled:
    """A window with its gold.

    Attributes:
        gold: for each mention its right candidate's position, or -1 for NIL.
        in_kb: which mentions name an entity of the KB.
    """

    inputs: WindowInputs
    gold: IntArray
    in_kb: npt.NDArray[np.bool_]


def labelled_windows(example: Example, store: EntityStore, hiding: Hiding | None, random: Random) -> Iterator[Labelled]:
    """Yield the windows of an example; `hiding` is None where nothing is learned from them."""
    if not len(example.gold):
        return
    for inputs in window_inputs(example.encoded, example.vectors, example.table, example.values, store):
        ordinals = example.table.ordinal[inputs.candidates]
        stretch = slice(inputs.first_mention, inputs.first_mention + len(inputs.nil))
        gold = example.gold[stretch]
        if hiding is not None:
            hidden = random.random(len(gold)) < hiding.gold
            kept = ~(hidden[inputs.owner] & (ordinals == gold[inputs.owner]))
            inputs, ordinals = _without(inputs, kept), ordinals[kept]
            inputs = _hidden(inputs, store.popularity(ordinals), hiding, random)
        positions = np.full(len(gold), -1, dtype=np.int32)
        right = np.flatnonzero(ordinals == gold[inputs.owner])
        positions[inputs.owner[right]] = right
        yield Labelled(inputs, positions, gold >= 0)


def _without(inputs: WindowInputs, kept: npt.NDArray[np.bool_]) -> WindowInputs:
    if kept.all():
        return inputs
    return replace(
        inputs,
        owner=inputs.owner[kept],
        features=inputs.features[kept],
        channels=inputs.channels[kept],
        present=inputs.present[kept],
        edges=inputs.edges[np.ix_(kept, kept)],
    )


def _hidden(inputs: WindowInputs, popularity: IntArray, hiding: Hiding, random: Random) -> WindowInputs:
    """Take channels away at random; their features go with them."""
    count = len(popularity)
    structure = np.full(count, hiding.channel)
    title = np.zeros(count)
    own = 0.0
    if hiding.popularity:
        rare = rare_probability(popularity)
        structure = np.maximum(structure, 0.3 * rare)
        title = 0.15 * (1 - rare)
        own = 0.05
    gone = random.random((count, 4)) < np.stack([title, np.full(count, hiding.channel), structure, structure], axis=1)
    present = inputs.present & ~gone[:, :3]
    features = inputs.features.copy()
    for columns, missing in (
        (DESCRIPTION_FEATURES, gone[:, DESCRIPTION]),
        (TYPE_FEATURES, gone[:, TYPES]),
        (RELATION_FEATURES, gone[:, 3]),
    ):
        features[np.ix_(missing, np.array(columns))] = 0
    features[:, CANDIDATE_FEATURES.index("no_description")] = ~present[:, DESCRIPTION]
    features[:, CANDIDATE_FEATURES.index("no_types")] = ~present[:, TYPES]
    kept = ~gone[:, 3]
    mentions = inputs.mentions.copy()
    mentions[np.ix_(random.random(len(mentions)) < own, np.array([OWN, FIRST, LAST]))] = 0
    return replace(
        inputs,
        mentions=mentions,
        features=features,
        channels=inputs.channels * present[:, :, None],
        present=present,
        edges=inputs.edges * (kept[:, None, None] & kept[None, :, None]),
    )


def padded_batches(windows: Iterable[Labelled]) -> Iterator[list[Labelled]]:
    """Group windows of like size, so that little is padding."""
    group: list[Labelled] = []
    for window in sorted(windows, key=lambda window: len(window.inputs.owner)):
        if group and (len(group) + 1) * len(window.inputs.owner) ** 2 > MOST_CELLS:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def pad(windows: Sequence[WindowInputs]) -> Batch:
    """Put windows beside each other."""
    return Batch(
        mentions=_padded([window.mentions for window in windows]),
        wordpieces=_padded([window.wordpieces for window in windows]),
        wordpiece_mask=_filled([len(window.wordpieces) for window in windows]),
        distances=_padded([window.distances.astype(np.int64) for window in windows]),
        owner=_padded([window.owner.astype(np.int64) for window in windows]),
        candidate_mask=_filled([len(window.owner) for window in windows]),
        features=_padded([window.features for window in windows]),
        nil=_padded([window.nil for window in windows]),
        channels=_padded([window.channels for window in windows]),
        present=_padded([window.present.astype(np.float32) for window in windows]),
        edges=_padded([window.edges for window in windows]),
    )


def gold_of(windows: Sequence[Labelled]) -> tuple[Tensor, Tensor]:
    """Return each mention's right candidate (B x M, -1 for NIL), and which mentions are there."""
    return _padded([window.gold.astype(np.int64) for window in windows]), _filled([len(w.gold) for w in windows])


def _padded(arrays: Sequence[npt.NDArray[np.generic]]) -> Tensor:
    """Put arrays beside each other, each dimension as long as the longest, with zeros behind."""
    result = np.zeros((len(arrays), *np.max([array.shape for array in arrays], axis=0)), dtype=arrays[0].dtype)
    for number, array in enumerate(arrays):
        result[number][tuple(slice(length) for length in array.shape)] = array
    return torch.from_numpy(result)


def _filled(lengths: Sequence[int]) -> Tensor:
    return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
