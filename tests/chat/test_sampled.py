"""The ids of an answer as the next prompt repeats them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duihua.chat.sampled import Sampled
from duihua.messages import SampledRun
from duihua.prompt.detokenizer import Detokenizer
from duihua.prompt.opening import Opening
from duihua.prompt.vocabulary import Vocabulary
from prompt import traits

VOCABULARY = Vocabulary(traits.tokenizer())
OPENING = Opening(prompt_tokens=3, opener="<|assistant|>", tail="\n", tail_ids=(10,))


def runs(ids: list[int], *, is_read: bool) -> tuple[SampledRun, ...]:
    """What stands of these ids where the answer is read with special tokens hidden."""
    kept = Sampled(OPENING, VOCABULARY, is_read=is_read)
    reader = Detokenizer(VOCABULARY, skip_special_tokens=True, spaces_between_special_tokens=False)
    for token_id in ids:
        text = reader.read(token_id)
        if text is None:
            held = "".join(piece.text for piece in reader.push(token_id) if piece.control is None)
            kept.add_control(token_id, held)
        else:
            kept.add(token_id, text)
    for piece in reader.flush():
        kept.add_held(piece.text)
    return kept.runs()


@given(st.lists(st.integers(0, VOCABULARY.size - 1), max_size=30))
def test_the_answers_own_text_and_a_reading_apart_say_the_same(ids: list[int]) -> None:
    assert runs(ids, is_read=True) == runs(ids, is_read=False)
