"""What of Transformers' models differs from version to version, and is found by asking them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Glm4ForCausalLM

from checkpoints import make_checkpoint
from duihua.engine.transformers.network import Network


class Later(Glm4ForCausalLM):
    """As Transformers 5.24 has it: what was `past_key_values` is `cache`."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_ids: Any, attention_mask: Any = None, position_ids: Any = None, cache: Any = None, **more: Any
    ) -> Any:
        assert "past_key_values" not in more
        return super().forward(input_ids, attention_mask, position_ids, cache, **more)


@torch.no_grad()
def test_the_cache_is_handed_over_by_the_name_that_the_model_has_for_it(tmp_path: Path) -> None:
    path, ids = make_checkpoint(tmp_path / "glm4", "glm4"), list(range(20, 30))
    networks = [Network(kind.from_pretrained(path).eval()) for kind in (Glm4ForCausalLM, Later)]
    logits: list[torch.Tensor] = []
    for network in networks:
        cache = network.new_cache(32)
        network.prefill(ids[:6], cache)
        logits.append(network.prefill(ids[6:], cache))
        assert cache.length == len(ids)
    torch.testing.assert_close(logits[0], logits[1])
