"""The part of a vision-language model that sees."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from transformers import PreTrainedModel

from duihua.engine.pictured import stretched
from duihua.engine.transformers.pictures import Features, Pictures
from duihua.engine.transformers.processor import Grid, Patches, Processor
from duihua.engine.transformers.sight import Glimpse, Sight
from duihua.errors import InvalidParameter
from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage

__all__ = ["Eyes"]


class Eyes:
    """The part of a vision-language model that sees, as GLM-4.1V, Qwen2-VL and those after them have it.

    There a picture's tokens have three positions each (M-RoPE) and attend like others, only backwards, so a prompt may
    be cut anywhere.

    Attributes:
        tower: computes features.
    """

    def __init__(self, model: PreTrainedModel, processor: Processor) -> None:
        """Wrap a model that has what `of` looks for."""
        self._model: Any = model
        self._pictures = Pictures(processor)
        core: Any = model.base_model
        self.tower: torch.nn.Module = core.visual
        decoder = inspect.signature(core.language_model.forward).parameters
        self._has_late_features = "deepstack_visual_embeds" in decoder

    @classmethod
    def of(cls, model: PreTrainedModel, processor: Processor) -> Self | None:
        """Those of a model, with its checkpoint's processor; None where it has none, or of another kind."""
        core: Any = model.base_model
        needed = ("visual", "language_model", "get_image_features", "get_rope_index")
        if not all(hasattr(core, name) for name in needed):
            return None
        takes_grids = "image_grid_thw" in inspect.signature(core.get_image_features).parameters
        tells_kinds = "mm_token_type_ids" in inspect.signature(core.get_rope_index).parameters
        return cls(model, processor) if takes_grids and tells_kinds else None

    def look(self, request: GenerationRequest) -> Sight:
        """Make a prompt's pictures ready and lay it out; from any thread.

        Raises:
            InvalidImage: the model's processor does not take one of them.
            InvalidParameter: one has another number of tokens than the request says, or two stand side by side.
        """
        images, places, length = request.images, stretched(request.images), request.prompt_tokens
        grids = [self._prepared(placed) for placed in images]
        if touching := [start for (_, stop), (start, _) in pairwise(places) if start == stop]:
            raise InvalidParameter("images", f"a picture at {touching[0]}", "something must stand between two pictures")
        kinds = torch.zeros(1, length, dtype=torch.int)
        for start, stop in places:
            kinds[0, start:stop] = 1
        positions, shift = self._model.base_model.get_rope_index(
            torch.zeros(1, length, dtype=torch.long), mm_token_type_ids=kinds, image_grid_thw=torch.tensor(grids)
        )
        return Sight(tuple(placed.image for placed in images), tuple(places), positions[:, 0], int(shift))

    def features(self, image: Image, weights: int) -> Features:
        """What the tower makes of a picture under some weights, computed once; in the worker thread."""
        return self._pictures.features(image, weights, self._see)

    def forget(self, weights: int) -> None:
        """Drop what was seen with weights that are gone."""
        self._pictures.forget(weights)

    def read(
        self, ids: torch.Tensor, glimpses: Sequence[tuple[Glimpse, Features]], keep: int, **options: Any
    ) -> torch.Tensor:
        """Run the model over a stretch of one prompt with pictures in it.

        Args:
            ids: (1, tokens); those in the places of pictures do not matter.
            glimpses: the parts of pictures in it, and the whole pictures' features.
            keep: tokens at the end whose logits are wanted; 0: all.
            **options: positions and cache.

        Returns:
            Logits (1, tokens kept, vocabulary).
        """
        embedded: torch.Tensor = self._model.get_input_embeddings()(ids).clone()
        seen = torch.zeros_like(ids, dtype=torch.bool)
        late: list[list[torch.Tensor]] = []
        for glimpse, features in glimpses:
            rows = [feature[glimpse.start : glimpse.stop] for feature in features]
            embedded[0, glimpse.place] = rows[0].to(embedded)
            seen[0, glimpse.place] = True
            late.append(rows[1:])
        if self._has_late_features:
            options["visual_pos_masks"] = seen
            options["deepstack_visual_embeds"] = [torch.cat(layer) for layer in zip(*late, strict=True)]
        # Not the model's own forward: that takes features only beside pixels, or from Transformers 5.19 on.
        decoded: Any = self._model.base_model.language_model(inputs_embeds=embedded, **options)
        return self._model.get_output_embeddings()(decoded.last_hidden_state[:, -keep:])

    def _prepared(self, placed: PlacedImage) -> Grid:
        grid, tokens = self._pictures.prepare(placed.image)
        if placed.tokens != tokens:
            name = placed.image.name or "a picture"
            raise InvalidParameter("images", f"{placed.tokens} tokens", f"{name} has {tokens} in this model")
        return grid

    def _see(self, patches: Patches) -> Features:
        device = next(self.tower.parameters()).device
        grid = torch.tensor([patches.grid], device=device)
        seen: Any = self._model.base_model.get_image_features(
            patches.values.to(device), image_grid_thw=grid, return_dict=True
        )
        late: Any = seen.deepstack_features if self._has_late_features else []
        return tuple(_whole(feature) for feature in (seen.pooler_output, *late))


def _whole(feature: Any) -> torch.Tensor:
    """One picture's rows; some versions of Transformers give a list of one entry for each picture."""
    return feature if isinstance(feature, torch.Tensor) else torch.cat(list(feature))
