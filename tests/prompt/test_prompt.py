"""What of a prompt belongs to whom, counted as the model reads it."""

from duihua.image import Image
from duihua.prompt.prompt import Prompt, Span
from duihua.request import PlacedImage

CAT = Image(b"cat", 4, 3)


def test_words_are_as_many_tokens_as_ids() -> None:
    prompt = Prompt(token_ids=(1, 2, 3), spans=(Span(0, 0, 2), Span("template", 2, 3)), guarded_text="")
    assert (prompt.length, prompt.tokens_of(0), prompt.tokens_of("template")) == (3, 2, 1)


def test_a_picture_is_counted_where_it_stands_with_all_its_tokens() -> None:
    prompt = Prompt(
        token_ids=tuple(range(12)),
        spans=(Span("template", 0, 2), Span(0, 2, 5), Span(1, 5, 6), Span(2, 6, 11), Span("template", 11, 12)),
        images=(PlacedImage(CAT, 2, 3, 20), PlacedImage(CAT, 6, 9, 5), PlacedImage(CAT, 10, 11, 100)),
        guarded_text="",
    )
    assert [prompt.tokens_in(span) for span in prompt.spans] == [2, 3 + 19, 1, 5 + 2 + 99, 1]
    assert prompt.tokens_of("template") == 3
    assert prompt.length == sum(map(prompt.tokens_in, prompt.spans))


def test_the_ids_that_the_model_reads_fill_each_picture_s_place() -> None:
    prompt = Prompt(
        token_ids=(1, 7, 2, 7, 3, 4, 5, 6),
        spans=(Span(0, 0, 8),),
        images=(PlacedImage(CAT, 1, 2, 3), PlacedImage(CAT, 3, 4, 1), PlacedImage(CAT, 4, 7, 5)),
        guarded_text="",
    )
    assert prompt.read_ids == (1, 7, 7, 7, 2, 7, 3, 4, 4, 4, 5, 6)
    assert len(prompt.read_ids) == prompt.length
