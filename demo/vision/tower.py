"""The vision tower over many pictures at once.

`Glm4vVisionModel.forward` attends picture by picture, a Python loop in every block unless flash attention is there;
training shows it thousands a second. Here pictures are padded to the same number of patches, which takes the same
weights to the same result (tests/demo/vision/test_tower.py).
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn
from transformers.models.glm4v.modeling_glm4v import apply_rotary_pos_emb_vision

from demo.vision.geometry import DEVIATION, GRIDS, MEAN, MERGE, PATCH, PATCHES, TOKENS

Block: TypeAlias = Callable[[Any, Tensor, Tensor, Tensor, Tensor], Tensor]

_SCALE: Final = 255.0


class Tower:
    """What the tower knows of each grid, ready to be looked up; one for a model on its device.

    Args:
        visual: the `Glm4vVisionModel`.
        block: what runs one of its blocks, such as `through_block` compiled.
    """

    def __init__(self, visual: Any, block: Block | None = None) -> None:
        self._visual = visual
        self._block = block or through_block
        self._device = visual.patch_embed.proj.weight.device
        corners = torch.stack([_coordinates(*grid) for grid in GRIDS])  # (grids, 64, 2)
        self._known = torch.tensor([[at < down * across for at in range(PATCHES)] for down, across in GRIDS])
        self._known = self._known.to(self._device)
        self._weights = _position_weights(corners, visual.embeddings.num_positions).to(self._device)
        turns = [
            visual.rotary_pos_emb(corners.to(self._device)[at], corners.to(self._device)[at])
            for at in range(len(GRIDS))
        ]
        self._cos, self._sin = (torch.stack(part) for part in zip(*turns, strict=True))  # (grids, 64, head width)
        one = torch.ones(1, 3, 1, device=self._device)
        self._mean, self._deviation = (one * torch.tensor(of, device=self._device)[:, None] for of in (MEAN, DEVIATION))

    def see(self, patches: Tensor, grids: Tensor) -> Tensor:
        """The tokens of each picture (pictures, 16, width); those behind its last one mean nothing.

        Args:
            patches: (pictures, 64, 588) uint8.
            grids: (pictures,) int64, numbers in `GRIDS`.
        """
        visual, count = self._visual, len(patches)
        pixels = patches.view(-1, 3, PATCH * PATCH).float().div(_SCALE).sub(self._mean).div(self._deviation).flatten(1)
        # Both frames of a still picture are the same: one frame through the sum of their weights.
        kernel = visual.patch_embed.proj.weight.sum(2).flatten(1)
        states = nn.functional.linear(pixels, kernel, visual.patch_embed.proj.bias)
        states = visual.post_conv_layernorm(states).view(count, PATCHES, -1)
        positions = (self._weights @ visual.embeddings.position_embedding.weight.float()).to(states.dtype)
        chosen = nn.functional.one_hot(grids, len(GRIDS)).to(states.dtype)  # a product: its gradient needs no atomics
        states = states + (chosen @ positions.flatten(1)).view_as(states)
        cos, sin, known = self._cos[grids], self._sin[grids], self._known[grids][:, None, None]
        for block in visual.blocks:
            states = self._block(block, states, cos, sin, known)
        states = visual.post_layernorm(states)
        states = states.view(-1, MERGE, MERGE, states.shape[-1]).permute(0, 3, 1, 2)
        return visual.merger(visual.downsample(states).flatten(1)).view(count, TOKENS, -1)


def through_block(block: Any, states: Tensor, cos: Tensor, sin: Tensor, known: Tensor) -> Tensor:
    """One block of the tower over states (pictures, 64, width); `known` (pictures, 1, 1, 64) is where patches are."""
    attn = block.attn
    query, key, value = attn.qkv(block.norm1(states)).unflatten(-1, (3, attn.num_heads, -1)).unbind(2)
    query, key = apply_rotary_pos_emb_vision(query, key, cos, sin)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    # By hand: 64 patches are few, and no kernel's way with a mask (weights of minus infinity) can break a training.
    scores = (query @ key.mT).float() * query.shape[-1] ** -0.5
    weights = scores.masked_fill(~known, torch.finfo(scores.dtype).min).softmax(-1).to(value.dtype)
    states = states + attn.proj((weights @ value).transpose(1, 2).flatten(2))
    return states + block.mlp(block.norm2(states))


def _coordinates(down: int, across: int) -> Tensor:
    """Row and column (64, 2) of each patch in the model's order, blocks of two by two; zeros behind the last."""
    at = torch.stack(torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij"), dim=-1)
    at = at.view(down // MERGE, MERGE, across // MERGE, MERGE, 2).transpose(1, 2).reshape(-1, 2)
    return nn.functional.pad(at, (0, 0, 0, PATCHES - len(at)))


def _position_weights(corners: Tensor, count: int) -> Tensor:
    """How much of each learnt position (grids, 64, positions) goes to a patch: the tower's bicubic sampling."""
    side = int(count**0.5)
    maps = torch.eye(count).view(1, count, side, side)
    sizes = torch.tensor(GRIDS)[:, None, :]
    at = ((corners + 0.5) / sizes * 2 - 1).flip(-1).float().view(1, -1, 1, 2)
    sampled = nn.functional.grid_sample(maps, at, mode="bicubic", align_corners=False, padding_mode="border")
    return sampled.view(count, len(GRIDS), PATCHES).permute(1, 2, 0)
