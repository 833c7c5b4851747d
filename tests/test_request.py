"""A request counts its pictures, and is whole after a journey."""

import msgspec

from duihua.image import Image
from duihua.request import GenerationRequest, PlacedImage
from duihua.sampling import Decoding

PICTURE = Image(b"\x89PNG", 4, 3, name="cat.png")
ASKED = GenerationRequest(
    request_id="1",
    token_ids=(5, 9, 6, 7, 8, 8, 8),
    decoding=Decoding(max_tokens=1),
    images=(PlacedImage(PICTURE, 1, 2, 16), PlacedImage(PICTURE, 4, 7, 12)),
)


def test_a_prompt_counts_what_its_pictures_become() -> None:
    assert ASKED.prompt_tokens == 7 + 15 + 9


def test_a_request_with_pictures_survives_msgpack() -> None:
    packed = msgspec.msgpack.encode(ASKED)
    assert msgspec.msgpack.decode(packed, type=GenerationRequest) == ASKED
