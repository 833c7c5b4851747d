"""The shipped checkpoint: GLM-4's ids and turns, small enough, loaded without remote code."""

import json
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from demo.corpus import DialogueEncoder
from demo.plots import write_dialogue
from demo.tokenizer import SPECIALS, STOPS, VOCAB_SIZE, WINDOW
from demo.turns import Dialogue
from tokenizers import Tokenizer
from transformers import AutoTokenizer

FOLDER = Path(__file__).parents[2] / "src/duihua/checkpoint/bundled/demo"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return cast("Any", AutoTokenizer).from_pretrained(FOLDER)


def test_the_checkpoint_stays_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12_000_000


def test_the_stops_are_those_of_glm4(tokenizer: Any):
    ids = [tokenizer.convert_tokens_to_ids(text) for text in STOPS]
    for name in ("config.json", "generation_config.json"):
        assert json.loads((FOLDER / name).read_text())["eos_token_id"] == ids
    assert len(tokenizer) == VOCAB_SIZE
    assert tokenizer.convert_ids_to_tokens(list(range(VOCAB_SIZE - len(SPECIALS), VOCAB_SIZE))) == list(SPECIALS)


def test_digits_and_chinese_characters_stand_alone(tokenizer: Any):
    assert tokenizer.tokenize("2048") == ["2", "0", "4", "8"]
    text = "My name is O'Neill, 我叫欧阳修 ☕\n\n  x7_q"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def as_messages(dialogue: Dialogue) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [] if dialogue.system is None else [{"role": "system", "content": dialogue.system}]
    for turn in dialogue.turns:
        messages.append({"role": "user", "content": turn.user})
        for made in turn.rounds:
            calls = [{"function": {"name": call.name, "arguments": call.arguments}} for call in made.calls]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            messages += [{"role": "tool", "content": result} for result in made.results]
        messages.append({"role": "assistant", "content": turn.answer})
    return messages


def test_training_and_the_template_render_the_same_ids(tokenizer: Any):
    encoder = DialogueEncoder(Tokenizer.from_file(str(FOLDER / "tokenizer.json")))
    for seed in range(60):
        dialogue = write_dialogue(Random(f"bundled/{seed}"))
        tools = [{"type": "function", "function": tool} for tool in dialogue.tools]
        text = tokenizer.apply_chat_template(as_messages(dialogue), tools=tools or None, tokenize=False) + "<|user|>"
        whole = tokenizer.encode(text, add_special_tokens=False)
        if len(whole) <= WINDOW:
            assert encoder.encode(dialogue)[0] == whole


def test_the_template_writes_tools_and_their_results(tokenizer: Any):
    call = {"function": {"name": "add", "arguments": {"城": 1}}}
    text = tokenizer.apply_chat_template(
        [
            {"role": "user", "content": " q "},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "r"},
        ],
        tools=[{"type": "function", "function": {"name": "add", "parameters": {}}}],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert text.startswith("[gMASK]<sop><|system|>\n# 可用工具\n\n## add\n")
    assert text.endswith('<|user|>\n q <|assistant|>add\n{"城": 1}<|observation|>\nr<|assistant|>')
