"""What the training loop runs for the encoder: mentions are to be near their entities and the names of their types
(InfoNCE: van den Oord et al., 2018), and wordpieces are tagged.

Each mention is told from the entities of all other mentions of its step, from other bearers of its alias, and from
those that a search by meaning finds for it instead, looked for anew before each epoch (Xiong et al., 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from model.training.encoder_batches import Chosen, NumberArray, Sampler, Texts, by_length
from model.training.encoder_config import EncoderConfig
from model.training.encoder_data import EncoderData
from model.training.encoder_network import MASK, EncoderNetwork, mention_views, unpacked_marks
from model.training.popularity import rare_probability
from model.training.ragged import Ragged
from model.training.split import Split
from model.training.tags import UNKNOWN
from model.training.task import Step

TOKENS = {"cuda": 65_536, "cpu": 4_096}  # encoded at a time, padding included
MINED = 16
BoolArray = npt.NDArray[np.bool_]

SEARCHED = 512  # mentions searched for at a time
EXHAUSTIVE_WEIGHT = 1.0  # of the tags of windows with every mention marked, beside the others'


@dataclass(frozen=True, slots=True)
class _Read:
    """What the text says of the mentions of some windows, and the loss of the tags of their wordpieces."""

    views: Tensor
    plain: Tensor
    tagging: Tensor


class EncoderTask:
    """A `model.training.task.Task`.

    Args:
        rates: how often an epoch shows each window of a source; 1 for those that are not named.
        folder: where the entities that were mined for each epoch are kept, so that training can go on exactly.
    """

    def __init__(
        self,
        network: EncoderNetwork,
        data: EncoderData,
        config: EncoderConfig,
        split: Split,
        rates: Mapping[str, float],
        epochs: int,
        folder: Path,
    ) -> None:
        self.module = network
        self.data = data
        self.config = config
        self.seed = split.seed
        self.epochs = epochs
        self.folder = folder
        self.device = next(network.parameters()).device
        self.sampler = Sampler(data, config, split, rates)
        self._texts = {
            "windows": Texts(data.windows.pieces, self.device),
            "titles": Texts(data.entities.titles, self.device),
            "descriptions": Texts(data.entities.descriptions, self.device),
            "type_names": Texts(data.entities.type_names, self.device),
        }
        offsets = data.windows.pieces.offsets
        self._marks = Texts(Ragged(data.windows.marks, offsets), self.device)
        self._tags = Texts(Ragged(data.windows.tags.astype(np.int16) + 1, offsets), self.device)
        self._described = data.entities.descriptions.lengths > 0
        self._mined: tuple[int, npt.NDArray[np.int32]] | None = None

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.epochs * self.sampler.steps_of_epoch

    @property
    def fingerprint(self) -> str:
        """Names the data and its split."""
        return f"{self.data.fingerprint}-{len(self.sampler.training)}"

    def loss(self, step: int) -> Step:
        """Return the loss of a step, the mean over its mentions and that over its wordpieces, weighted."""
        epoch, within = divmod(step, self.sampler.steps_of_epoch)
        random = np.random.default_rng((self.seed, 1, step))
        order = self.sampler.epoch(self.seed, epoch)
        windows = np.sort(order[within * self.config.windows : (within + 1) * self.config.windows])
        chosen = self.sampler.choose(windows, self._near(epoch), random)
        read = self._read(chosen.windows, chosen.mentions, chosen.within, random)
        query, typed = self.module.queries(read.views, read.plain)
        linking = self._linking(query, chosen, random)
        typing = self._typing(typed, self.data.windows.gold[chosen.mentions])
        loss = linking + self.config.typing * typing + self.config.spans * read.tagging
        parts = {"linking": linking, "typing": typing, "tagging": read.tagging}
        names = [f"window {window}" for window in windows.tolist()]
        return Step(loss, {k: float(v.detach()) for k, v in parts.items()}, len(chosen.mentions), names)

    def _read(
        self, windows: NumberArray, mentions: NumberArray, within: NumberArray, random: np.random.Generator | None
    ) -> _Read:
        """Encode windows and read their mentions; with `random`, the words of some mentions are hidden."""
        hidden = self._hidden_mentions(mentions, random)
        views: list[Tensor] = []
        plain: list[Tensor] = []
        order: list[NumberArray] = []
        losses: list[Tensor] = []
        lengths = self._texts["windows"].lengths[windows]
        for group in by_length(lengths, TOKENS[self.device.type]):
            pieces, sizes = self._texts["windows"].padded(windows[group])
            place = np.full(len(windows), -1)
            place[group] = np.arange(len(group))
            rows = np.flatnonzero(place[within] >= 0)
            window = torch.from_numpy(place[within[rows]]).to(self.device)
            first, last = (self._of_mentions(name, mentions[rows]) for name in ("first", "last"))
            self._mask(pieces, window, first, last, hidden[rows])
            states, there = self.module.hidden(pieces, sizes)
            seen, query = mention_views(states, there, window, first, last)
            views.append(seen)
            plain.append(query)
            order.append(rows)
            losses.append(self._tagging(states, windows[group], there))
        back = torch.from_numpy(np.argsort(np.concatenate(order), kind="stable")).to(self.device)
        sums = torch.stack(losses).sum(dim=0)  # losses and wordpieces, of both kinds of windows
        means = sums[:, 0] / sums[:, 1].clamp_min(1)
        return _Read(torch.cat(views)[back], torch.cat(plain)[back], means[0] + EXHAUSTIVE_WEIGHT * means[1])

    def _of_mentions(self, name: str, mentions: NumberArray) -> Tensor:
        return torch.from_numpy(getattr(self.data.windows, name)[mentions].astype(np.int64)).to(self.device)

    def _hidden_mentions(self, mentions: NumberArray, random: np.random.Generator | None) -> BoolArray:
        if random is None:
            return np.zeros(len(mentions), dtype=np.bool_)
        popularity = self.data.entities.popularity[self.data.windows.gold[mentions]]
        chance = self.config.mention_dropout * (1 - rare_probability(popularity))
        return np.asarray(random.random(len(mentions)) < chance, dtype=np.bool_)

    def _mask(self, pieces: Tensor, window: Tensor, first: Tensor, last: Tensor, hidden: BoolArray) -> None:
        rows = torch.from_numpy(np.flatnonzero(hidden)).to(self.device)
        where = torch.arange(pieces.shape[1], device=self.device)
        inside = (where[None] >= first[rows, None]) & (where[None] < last[rows, None])
        mention, column = inside.nonzero(as_tuple=True)
        pieces[window[rows][mention], column] = MASK

    def _tagging(self, states: Tensor, windows: NumberArray, there: Tensor) -> Tensor:
        """Return the sum of losses and the number of wordpieces, of partly and of wholly marked windows (2 x 2)."""
        marks, _ = self._marks.padded(windows)
        tags, _ = self._tags.padded(windows)
        inner = there[:, 2:]
        logits = self.module.tags(states[:, 1:-1], unpacked_marks(marks, inner))
        losses = functional.cross_entropy(logits.transpose(1, 2), tags - 1, ignore_index=UNKNOWN, reduction="none")
        known = inner & (tags - 1 != UNKNOWN)
        whole = torch.from_numpy(self.data.windows.exhaustive[windows]).to(self.device)[:, None]
        parts = [known & ~whole, known & whole]
        return torch.stack([torch.stack([(losses * part).sum(), part.sum().float()]) for part in parts])

    def _linking(self, query: Tensor, chosen: Chosen, random: np.random.Generator) -> Tensor:
        count = len(chosen.entities)
        described = self._described[chosen.entities]
        shown = described & (random.random(count) >= self.config.description_dropout)
        titled = ~(shown & (random.random(count) < self.config.title_dropout))
        entities = self._entities(chosen.entities, titled, shown)
        logits = _similarities(query, entities) * self.module.query_scale.exp().clamp_max(100)
        return functional.cross_entropy(logits, torch.from_numpy(chosen.gold).to(self.device))

    def _entities(self, ordinals: NumberArray, titled: BoolArray, described: BoolArray) -> Tensor:
        """Return retrieval vectors (ordinals x 384) from the channels that are shown of each."""
        vectors = torch.zeros((len(ordinals), 384), device=self.device)
        for name, shown in (("titles", titled), ("descriptions", described)):
            rows = np.flatnonzero(shown)
            if len(rows):
                made = self._embed(name, ordinals[rows])
                vectors = vectors.index_add(0, torch.from_numpy(rows).to(self.device), made)
        return functional.normalize(vectors, dim=-1)

    def _embed(self, name: str, rows: NumberArray) -> Tensor:
        texts = self._texts[name]
        groups = list(by_length(texts.lengths[rows], TOKENS[self.device.type]))
        made = torch.cat([self.module.embed(*texts.padded(rows[group])) for group in groups])
        return made[torch.from_numpy(np.argsort(np.concatenate(groups), kind="stable")).to(self.device)]

    def _typing(self, predicted: Tensor, gold: npt.NDArray[np.int32]) -> Tensor:
        """Return the mean loss of naming the types of the entities that have any: each type against all others."""
        types = self.data.entities.types
        counts = types.lengths[gold]
        if not counts.sum():
            return predicted.sum() * 0
        rows = np.repeat(np.flatnonzero(counts), counts[counts > 0])
        columns = np.concatenate([types[entity] for entity in gold[counts > 0].tolist()]).astype(np.int64)
        names = self._embed("type_names", np.arange(len(self.data.entities.type_names)))
        logs = (_similarities(predicted, names) * self.module.type_scale.exp().clamp_max(100)).log_softmax(dim=-1)
        device = self.device
        each = logs[torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)]
        weights = torch.from_numpy((1 / counts[rows]).astype(np.float32)).to(device)
        return -(each * weights).sum() / int((counts > 0).sum())

    def _near(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return wrong entities near to each mention (mentions x MINED), as the network was when the epoch began."""
        if self._mined is None or self._mined[0] != epoch:
            path = self.folder / f"mined-{epoch}.npy"
            if not path.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                partial = self.folder / "mined-partial.npy"
                np.save(partial, self._mine())
                partial.replace(path)
            self._mined = epoch, np.load(path)
        return self._mined[1]

    def _mine(self) -> npt.NDArray[np.int32]:
        was_training = self.module.training
        self.module.eval()
        with torch.no_grad():
            mentions, within = self.sampler.mentions_of(self.sampler.training, None)
            found = self.nearest(self.sampler.training, mentions, within, self.entity_vectors(), MINED + 1).numpy()
        self.module.train(was_training)
        gold = self.data.windows.gold[mentions]
        right = found == gold[:, None]
        order = np.argsort(right, axis=1, kind="stable")  # the right one goes last
        wrong = np.take_along_axis(np.where(right, -1, found), order, axis=1)[:, :MINED]
        result = np.full((len(self.data.windows.gold), MINED), -1, dtype=np.int32)
        result[mentions, : wrong.shape[1]] = wrong
        return result

    def entity_vectors(self) -> Tensor:
        """Return the retrieval vectors of all entities (entities x 384), in half precision."""
        vectors = []
        everyone = np.ones(len(self._described), dtype=np.bool_)
        for start in range(0, len(everyone), 16_384):
            rows = np.arange(start, min(start + 16_384, len(everyone)))
            vectors.append(self._entities(rows, everyone[rows], self._described[rows]).to(torch.bfloat16))
        return torch.cat(vectors)

    def nearest(
        self, windows: NumberArray, mentions: NumberArray, within: NumberArray, entities: Tensor, k: int
    ) -> Tensor:
        """Return the ordinals of the entities nearest to mentions (mentions x k), on the CPU."""
        queries = self.queries(windows, mentions, within)[0].to(entities.dtype)
        k = min(k, len(entities))
        parts = [(part @ entities.T).topk(k).indices.int().cpu() for part in torch.split(queries, SEARCHED)]
        return torch.cat(parts) if parts else torch.zeros((0, k), dtype=torch.int32)

    def queries(self, windows: NumberArray, mentions: NumberArray, within: NumberArray) -> tuple[Tensor, Tensor]:
        """Return the vectors of mentions near their entities and near their types (mentions x 384 each)."""
        found: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(windows), 1024):
            block = np.arange(start, min(start + 1024, len(windows)))
            first, last = np.searchsorted(within, [block[0], block[-1] + 1])
            if last > first:
                read = self._read(windows[block], mentions[first:last], within[first:last] - start, None)
                found.append(self.module.queries(read.views, read.plain))
        queries, typed = zip(*found, strict=True)
        return torch.cat(queries), torch.cat(typed)

    def evaluate(self) -> dict[str, float]:
        """Measure on held-out pages; see `model.training.encoder_evaluation`."""
        from model.training.encoder_evaluation import evaluate

        return evaluate(self)

    def tag_logs(self, window: int) -> npt.NDArray[np.float32]:
        """Return the log odds of the tags of a window's wordpieces (wordpieces x 3)."""
        row = np.array([window])
        states, there = self.module.hidden(*self._texts["windows"].padded(row))
        marks, _ = self._marks.padded(row)
        logits = self.module.tags(states[:, 1:-1], unpacked_marks(marks, there[:, 2:]))
        return np.asarray(logits[0].cpu().numpy(), dtype=np.float32)


def _similarities(left: Tensor, right: Tensor) -> Tensor:
    """Return inner products (left x right) in single precision: scaled up, what bfloat16 loses would be seen."""
    with torch.autocast(left.device.type, enabled=False):
        return left.float() @ right.float().T
