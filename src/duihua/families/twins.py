"""Checkpoints whose code is their own, and the twin that transformers runs without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MODELS_THAT_SEE", "twin_of"]

MODELS_THAT_SEE: Final = ("zai-org/GLM-4.1V-9B-Thinking", "Qwen/Qwen3-VL-8B-Instruct")

_BY_NAME: Final = (  # the first mark found in the name decides
    ("glm-4v", "zai-org/GLM-4.1V-9B-Thinking"),
    ("glm-4-9b-chat-1m", "zai-org/glm-4-9b-chat-1m-hf"),
    ("glm-4-9b-chat", "zai-org/glm-4-9b-chat-hf"),
    ("glm-4-9b", "zai-org/glm-4-9b-hf"),
    ("qwen-vl", "Qwen/Qwen2.5-VL-7B-Instruct"),
    ("qwen-1_8b", "Qwen/Qwen2.5-1.5B-Instruct"),
    ("qwen-14b", "Qwen/Qwen2.5-14B-Instruct"),
    ("qwen-72b", "Qwen/Qwen2.5-72B-Instruct"),
)
_BY_TYPE: Final = {"chatglm": "zai-org/glm-4-9b-chat-hf", "qwen": "Qwen/Qwen2.5-7B-Instruct"}


def twin_of(name: str, config: Mapping[str, Any]) -> str | None:
    """The Hugging Face id to use in place of a checkpoint that needs its own code, None where none is known.

    A twin has the same weights in another layout where there is one, else it is the next generation.

    Args:
        name: what people call the checkpoint.
        config: its config.json.
    """
    lowered = name.lower()
    for mark, twin in _BY_NAME:
        if mark in lowered:
            return twin
    model_type = str(config.get("model_type", ""))
    return MODELS_THAT_SEE[0] if model_type == "chatglm" and "vision_config" in config else _BY_TYPE.get(model_type)
