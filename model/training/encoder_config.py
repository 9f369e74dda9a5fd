"""[encoder]: how the encoder's adapter and its heads are trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EncoderConfig(BaseModel):
    """[encoder]: the adapter of the token encoder, and the heads that are trained with it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rank: Count = Field(default=64, description="Rank of the adapter's matrices.")
    windows: Count = Field(default=128, description="Windows of text in a step.")
    mentions_of_window: Count = Field(default=16, description="Mentions of a window that a step takes at most.")
    alias_negatives: Count = Field(default=2, description="Other bearers of a mention's alias that it is told from.")
    mined_negatives: Count = Field(
        default=2,
        description="Wrong entities near in meaning that it is told from, looked for each epoch.",
    )
    description_dropout: Share = Field(default=0.15, description="Share of the descriptions that a step hides.")
    title_dropout: Share = Field(default=0.05, description="Share of the titles of described entities it hides.")
    mention_dropout: Share = Field(
        default=0.15, description="Share of the mentions of popular entities whose words are hidden; rare ones less."
    )
    alias_substitution: Share = Field(
        default=0.0, description="Share of the full names in the documents that give way to ambiguous, shorter ones."
    )
    frozen: bool = Field(
        default=False, description="Whether the encoder stays as it is, and only its heads are trained."
    )
    typing: Weight = Field(default=0.2, description="Weight of the loss of the type head.")
    spans: Weight = Field(default=0.5, description="Weight of the loss of the span head.")
    exhaustive_held_out: Share = Field(
        default=0.3, description="Share of the pages with every mention marked that are held out."
    )
