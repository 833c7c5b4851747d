import json
import sys

import pytest

from duihua.engine.probe import PARTS, main


def test_each_part_is_answered_as_it_begins_and_as_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    main([json.dumps({"parts": ["torch", "placement"], "engine": "transformers", "device": "cpu", "dtype": "auto", "weight_bytes": 0})])  # fmt: skip
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    assert [(line["part"], sorted(line)) for line in lines] == [
        ("torch", ["part"]),
        ("torch", ["found", "part"]),
        ("placement", ["part"]),
        ("placement", ["found", "part"]),
    ]
    assert set(lines[1]["found"]) == {"build", "gpus"}
    assert lines[3]["found"] == {"engine": "transformers", "reason": None, "device": "cpu", "dtype": "float32"}


def test_a_device_that_is_not_there_is_a_refusal_in_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    main([json.dumps({"parts": ["placement"], "engine": "auto", "device": "cuda:77", "dtype": "auto", "weight_bytes": 0})])  # fmt: skip
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "cuda:77" in answer["found"]["refusal"]
    assert answer["found"]["engine"] == "transformers"


def test_what_fails_is_told_and_the_next_part_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as where it is not installed
    main([json.dumps({"parts": ["torchvision", "torch"]})])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    assert lines[1]["error"].startswith("ModuleNotFoundError")
    assert "found" in lines[-1]


def test_every_library_that_an_engine_needs_is_a_part() -> None:
    assert {"torch", "transformers", "torchvision", "vllm"} <= PARTS.keys()
