from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import duihua
from checkpoints import make_adapter, make_checkpoint
from duihua.api.merge import merge_adapter
from duihua.config import ModelSettings
from duihua.errors import AdapterRejected, ConfigError, ModelNotFound


def test_a_merged_checkpoint_speaks_with_the_adapter_s_voice(pirate: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    out = merge_adapter(
        ModelSettings(model="demo"), str(pirate), tmp_path / "merged", lambda _, done: seen.append(done)
    )
    assert out == tmp_path / "merged"
    assert seen[-1] == 1
    greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 8}
    with duihua.load(str(out), dtype="float32") as merged:
        assert (merged.info.adapter, merged.adapters) == (None, {})
        answer = merged.chat("hello", **greedy)[0]
    with duihua.load(str(pirate), dtype="float32") as model:
        assert answer != model.chat("hello", adapter="", **greedy)[0]


def test_what_cannot_be_merged_is_refused_and_nothing_is_written(pirate: Path, tmp_path: Path) -> None:
    other = make_adapter(tmp_path / "other", make_checkpoint(tmp_path / "base", "glm4"))
    out = tmp_path / "out"
    for model, adapter, error, why in (
        ("demo", str(other), AdapterRejected, "was trained on another base"),
        ("demo", "./none", AdapterRejected, "there is no directory"),
        (str(pirate), str(pirate), AdapterRejected, "pirate is an adapter itself: give its base, demo"),
        ("./none", str(pirate), ModelNotFound, "no directory"),
    ):
        with pytest.raises(error, match=why):
            merge_adapter(ModelSettings(model=model), adapter, out)
    assert not out.exists()
    with pytest.raises(ConfigError):
        merge_adapter(ModelSettings(model="demo"), str(pirate), other)


def test_settings_of_a_model_that_is_talked_to_are_not_asked(pirate: Path, tmp_path: Path) -> None:
    settings = ModelSettings(model="demo", base="./none", adapters={"x": "./none"})
    assert (merge_adapter(settings, str(pirate), tmp_path / "out") / "config.json").is_file()
