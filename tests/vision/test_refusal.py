import re
from typing import get_args

from duihua import vision
from duihua.vision.refusal import Why, refusal


def test_every_word_is_explained_where_people_look() -> None:
    explained = re.findall(r"^    (\w+)  +\w", vision.__doc__ or "", re.MULTILINE)
    assert explained == list(get_args(Why))


def test_a_refusal_names_the_picture_where_it_has_a_name() -> None:
    error = refusal("bytes", "it is too large", "a.png")
    assert (str(error), error.why, error.name) == ("a.png: it is too large", "bytes", "a.png")
    assert str(refusal("bytes", "it is too large")) == "it is too large"
