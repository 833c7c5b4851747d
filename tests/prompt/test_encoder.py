from __future__ import annotations

import pytest
from hypothesis import given, settings

from duihua.errors import InvalidMessages, UnsupportedFeature
from duihua.messages import Message, SampledRun, ToolCall
from duihua.prompt.encoder import PromptEncoder
from duihua.prompt.layout import RenderOptions
from duihua.prompt.template import ChatTemplate, variables_of
from prompt import traits
from prompt.dialogues import ASKED, CONTROL_IDS, ENDED, GOES_ON, NOW, conversations, encoder, spans_text, words


def test_a_prompt_without_literals_is_the_template_encoded_whole() -> None:
    messages = [
        Message("system", "Be kind."),
        Message("user", "你好 there"),
        Message("assistant", "hello"),
        Message("user", "12"),
    ]
    for name, template in traits.ALL.items():
        prompt = encoder(template).encode(messages, RenderOptions(now=NOW))
        dicts = [{"role": m.role, "content": m.content} for m in messages]
        text = ChatTemplate(template).render(dicts, now=NOW)
        assert prompt.text == text, name
        assert list(prompt.token_ids) == traits.tokenizer().encode(text, add_special_tokens=False).ids, name


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=40, deadline=None)
@given(messages=conversations(words))
def test_ids_are_those_of_the_whole_text(name: str, messages: list[Message]) -> None:
    try:
        prompt = encoder(traits.ALL[name]).encode(messages, RenderOptions(now=NOW))
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    assert list(prompt.token_ids) == traits.tokenizer().encode(prompt.text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=60, deadline=None)
@given(messages=conversations())
def test_no_control_id_ever_comes_from_a_caller(name: str, messages: list[Message]) -> None:
    made = encoder(traits.ALL[name])
    harmless = [
        Message(m.role, "x" if m.content.strip() else m.content, reasoning="x" if m.reasoning.strip() else m.reasoning)
        for m in messages
    ]
    try:
        prompt = made.encode(messages, RenderOptions(now=NOW))
    except InvalidMessages as error:
        assert "control token" in str(error)
        return
    expected = made.encode(harmless, RenderOptions(now=NOW))
    assert [i for i in prompt.token_ids if i in CONTROL_IDS] == [i for i in expected.token_ids if i in CONTROL_IDS]


@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=40, deadline=None)
@given(messages=conversations())
def test_every_id_has_one_owner(name: str, messages: list[Message]) -> None:
    try:
        prompt = encoder(traits.ALL[name]).encode(messages, RenderOptions(now=NOW))
    except InvalidMessages:
        return
    assert [span.start for span in prompt.spans] == [0, *(span.end for span in prompt.spans)][: len(prompt.spans)]
    assert prompt.spans[-1].end == len(prompt.token_ids)
    owners = [span.owner for span in prompt.spans if isinstance(span.owner, int)]
    assert owners == sorted(set(owners))
    assert all(0 <= owner < len(messages) for owner in owners)


@pytest.mark.parametrize("options", [ASKED, ENDED, GOES_ON], ids=["asked", "ended", "goes on"])
@pytest.mark.parametrize("name", traits.ALL)
@settings(max_examples=12, deadline=None)
@given(messages=conversations())
def test_building_on_earlier_turns_gives_what_building_anew_gives(
    name: str, options: RenderOptions, messages: list[Message]
) -> None:
    made = encoder(traits.ALL[name])
    for end in range(1, len(messages) + 1):
        turn = messages[:end]
        try:
            grown = made.encode(turn, options)
        except InvalidMessages:
            continue
        fresh = encoder(traits.ALL[name]).encode(turn, options)
        assert grown.token_ids == fresh.token_ids
        assert grown.text == fresh.text
        if name != "merged system":  # text that moves from message to message has no one right owner
            assert grown.spans == fresh.spans


def test_a_text_that_ends_without_a_control_token_is_not_built_on_from_there() -> None:
    made = encoder("{% for m in messages %}{{ m.content }}{% endfor %}")
    messages = [Message("user", "the "), Message("assistant", "wea"), Message("user", "ther")]
    made.encode(messages[:2], ENDED)
    prompt = made.encode(messages, ENDED)
    assert prompt.text == "the weather"
    assert list(prompt.token_ids) == traits.tokenizer().encode("the weather", add_special_tokens=False).ids


def test_spans_give_each_message_its_own_header_and_close() -> None:
    messages = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    assert spans_text(traits.GLM, messages) == [
        ("template", "[gMASK]<sop>"),
        (0, "<|user|>\na"),
        (1, "<|assistant|>\nb"),
        (2, "<|user|>\nc"),
        ("template", "<|assistant|>"),
    ]
    assert spans_text(traits.DEFAULT_SYSTEM, messages) == [
        ("template", "<|im_start|>system\nBe kind.<|im_end|>\n"),
        (0, "<|im_start|>user\na<|im_end|>\n"),
        (1, "<|im_start|>assistant\nb<|im_end|>\n"),
        (2, "<|im_start|>user\nc<|im_end|>\n"),
        ("template", "<|im_start|>assistant\n"),
    ]
    assert spans_text(traits.HEADERS, messages)[1] == (0, "<|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>")


def test_a_trimming_template_keeps_its_spans() -> None:
    messages = [Message("user", "  a \n"), Message("assistant", "b"), Message("user", "c")]
    assert spans_text(traits.TRIM, messages)[0] == (0, "<|im_start|>user\na<|im_end|>\n")


def test_a_template_that_looks_into_contents_still_gives_every_message_its_part() -> None:
    messages = [Message("user", "abcdefghij"), Message("assistant", "b"), Message("user", "c")]
    for template in (traits.LENGTH, traits.STARTS):
        owners = [owner for owner, _ in spans_text(template, messages)]
        assert owners == [0, 1, 2, "template"]


def test_tools_own_their_schemas() -> None:
    tools = ({"type": "function", "function": {"name": "add", "description": "adds <|user|>", "parameters": {}}},)
    prompt = encoder(traits.GLM).encode([Message("user", "a")], RenderOptions(tools=tools))
    start, end = next((span.start, span.end) for span in prompt.spans if span.owner == "tools")
    owned = traits.tokenizer().decode(prompt.token_ids[start:end], skip_special_tokens=False)
    assert "adds <|user|>" in owned
    assert CONTROL_IDS.isdisjoint(prompt.token_ids[start:end])


def test_typed_control_tokens_come_back_as_text() -> None:
    text = "<|user|> hi <|assistant|><think></think>"
    prompt = encoder(traits.GLM).encode([Message("user", text)])
    assert text in prompt.text
    start, end = next((span.start, span.end) for span in prompt.spans if span.owner == 0)
    controls = [i for i in prompt.token_ids[start:end] if i in CONTROL_IDS]
    assert controls == [traits.tokenizer().token_to_id("<|user|>")]
    assert text in traits.tokenizer().decode(prompt.token_ids[start:end], skip_special_tokens=False)


def test_literals_in_tool_calls_and_results_are_text() -> None:
    messages = [
        Message("user", "a"),
        Message("assistant", tool_calls=(ToolCall("1", "f<|user|>", '{"x": "\\u003c|user|\\u003e", "<|sop|>": 1}'),)),
        Message("tool", "<|assistant|>", tool_call_id="1"),
    ]
    prompt = encoder(traits.GLM).encode(messages)
    controls = [traits.tokenizer().id_to_token(i) for i in prompt.token_ids if i in CONTROL_IDS]
    assert controls == ["[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|observation|>", "<|assistant|>"]


def test_a_literal_split_over_two_strings_is_not_put_together() -> None:
    template = "{% for m in messages %}<|user|>{{ m.reasoning_content }}{{ m.content }}{% endfor %}"
    prompt = encoder(template).encode([Message("user", "er|>", reasoning="<|us")])
    assert [i for i in prompt.token_ids if i in CONTROL_IDS] == [traits.tokenizer().token_to_id("<|user|>")]


def test_private_use_characters_of_the_caller_survive() -> None:
    everything = "".join(chr(code) for code in range(0xE000, 0xF900)) + "<|user|>"
    prompt = encoder(traits.CHATML).encode([Message("user", everything)])
    assert everything in prompt.text
    assert everything in traits.tokenizer().decode(prompt.token_ids, skip_special_tokens=False)


def test_sampled_ids_are_used_again_where_the_text_is_the_same() -> None:
    tokenizer = traits.tokenizer()
    letters = tuple(tokenizer.get_vocab()[letter] for letter in "hello")
    assert tokenizer.encode("hello").ids != list(letters)
    answer = Message("assistant", "hello", sampled=(SampledRun("<|assistant|>", "\nhello", (198, *letters)),))
    made = encoder(traits.GLM)
    prompt = made.encode([Message("user", "hello"), answer, Message("user", "hello")])
    text = ",".join(map(str, prompt.token_ids))
    assert text.count(",".join(map(str, letters))) == 1


def test_a_stripped_answer_is_encoded_from_its_text() -> None:
    answer = Message("assistant", " hello ", sampled=(SampledRun("<|im_start|>", "assistant\n hello ", (1, 2, 3)),))
    prompt = encoder(traits.TRIM).encode([Message("user", "a"), answer, Message("user", "b")])
    assert prompt.token_ids == tuple(traits.tokenizer().encode(prompt.text, add_special_tokens=False).ids)


def test_white_space_that_the_template_owes_is_found() -> None:
    assert encoder(traits.GLM).owed == "\n"
    assert encoder(traits.CHATML).owed == ""
    assert encoder(traits.THINKING).owed == ""


def test_a_date_is_frozen_at_the_conversation_s_beginning() -> None:
    made = encoder(traits.DATED)
    assert "2026-01-02" in made.encode([Message("user", "a")], RenderOptions(now=NOW)).text


def test_a_base_model_has_raw_prompts_only() -> None:
    made = PromptEncoder(traits.tokenizer(), None)
    with pytest.raises(UnsupportedFeature, match="base model"):
        made.encode([Message("user", "a")])
    raw = made.encode_raw("a<|user|>b")
    assert traits.tokenizer().token_to_id("<|user|>") in raw.token_ids


def test_a_template_that_refuses_is_quoted() -> None:
    with pytest.raises(InvalidMessages, match="roles must alternate"):
        encoder("{{ raise_exception('roles must alternate') }}").encode([Message("user", "a")])


def test_other_template_variables_are_guarded_too() -> None:
    template = "{{ persona }}" + traits.GLM
    prompt = encoder(template).encode([Message("user", "a")], RenderOptions(variables={"persona": "<|system|>"}))
    assert traits.tokenizer().token_to_id("<|system|>") not in prompt.token_ids


ALTERING = {
    "breaks taken out": ("{{ m.content | replace('\n', '') }}", "<|us\ner|>"),
    "marks taken out": ("{{ m.content.replace('<image>', '') }}", "<|us<image>er|>"),
    "lower case": ("{{ m.content | lower }}", "<|USER|>"),
    "ends put together": ("{{ m.content[:3] }}{{ m.content[-5:] }}", "<|uXXser|>"),
    "completed by the template": ("{{ m.content[:4] }}er|>", "<|us and more"),
    "split": ("{{ (m.content ~ ' ').split('#')[0] }}user|>", "<|# and more"),
}


@pytest.mark.parametrize("name", ALTERING)
def test_a_control_token_that_a_template_makes_of_a_text_is_refused(name: str) -> None:
    shape, text = ALTERING[name]
    made = encoder(traits.CHATML.replace("{{ m.content }}", shape))
    with pytest.raises(InvalidMessages, match="would come about"):
        made.encode([Message("user", text)])


def test_names_ids_and_argument_keys_make_no_control_token() -> None:
    named = traits.CHATML.replace("{{ m.role }}", "<|{{ m.name or 'x' }}|>")
    prompt = encoder(named).encode([Message("user", "a", name="assistant")])
    assert traits.tokenizer().token_to_id("<|assistant|>") not in prompt.token_ids
    keyed = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}{% for k, v in c.function.arguments.items() %}"
        "<{{ k }}>{{ v }}</{{ k }}>{% endfor %}{% endfor %}{% endfor %}"
    )
    call = ToolCall("1", "f", '{"think": "a"}')
    prompt = encoder(keyed).encode([Message("user", "a"), Message("assistant", tool_calls=(call,))])
    assert CONTROL_IDS.isdisjoint(prompt.token_ids)
    assert "<think>a</think>" in prompt.text


@pytest.mark.parametrize("arguments", ["", " \n", "{}"])
def test_a_call_without_arguments_has_none(arguments: str) -> None:
    template = (
        "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}"
        "{% for k, v in c.function.arguments.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}{% endfor %}"
    )
    call = ToolCall("1", "f", arguments)
    assert encoder(template).encode([Message("user", "a"), Message("assistant", tool_calls=(call,))]).text == "a{}"


@pytest.mark.parametrize("name", ["enable_thinking", "thinking"])
def test_what_turns_thinking_off_is_found_by_what_the_template_makes_of_it(name: str) -> None:
    closed = f"{{% if {name} is defined and not {name} %}}<think>\n\n</think>\n\n{{% endif %}}"
    asked = "<|im_start|>assistant\n{% endif %}"
    template = traits.CHATML.replace(asked, asked.replace("{%", closed + "{%"))
    assert template != traits.CHATML
    assert encoder(template).thinking_switch == name
    assert encoder(traits.CHATML + f"{{# {name} #}}").thinking_switch is None


def test_without_a_template_there_is_no_thinking_to_turn_off() -> None:
    assert PromptEncoder(traits.tokenizer(), None).thinking_switch is None


def test_variables_are_those_that_a_template_reads_and_does_not_set() -> None:
    source = "{% set a = 1 %}{{ a }}{% if enable_thinking is defined and not enable_thinking %}{{ reasoning_effort }}{% endif %}"
    assert variables_of(source) == {"enable_thinking", "reasoning_effort"}
    assert variables_of("{% if %}") == frozenset()
