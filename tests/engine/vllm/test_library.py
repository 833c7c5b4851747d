"""What our engine asks of the installed vLLM; starting it is tested with the engine."""

from __future__ import annotations

from pathlib import Path

import pytest
import vllm

from duihua.engine.vllm.library import device_names, import_vllm, is_cpu, version_note


def test_the_build_of_these_tests_runs_on_the_cpu(tmp_path: Path) -> None:
    import_vllm(tmp_path / "vllm.log")
    assert is_cpu()
    assert device_names(2) == "cpu"


def test_only_a_version_that_was_not_tried_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_note() == ()
    monkeypatch.setattr(vllm, "__version__", "9.9.0")
    assert version_note() == ("vLLM 9.9.0 was not tried with this version of duihua",)
