from io import BytesIO

import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from duihua.errors import InvalidImage
from duihua.image import Image
from duihua.vision.pixels import decode, encode_png, shrunk
from duihua.vision.read import read_bytes
from vision.pictures import BLUE, RED, WAYS, WHITE, encoded, exif, flag, gradient


def pixels(data: bytes) -> Pillow.Image:
    image = read_bytes(data)
    decoded = decode(image)
    assert (decoded.mode, decoded.size) == ("RGB", (image.width, image.height))
    return decoded


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_decodes_to_what_was_written(way: str) -> None:
    how, options = WAYS[way]
    decoded = pixels(encoded(gradient(), how, **options))
    differences = [abs(a - b) for a, b in zip(decoded.tobytes(), gradient().tobytes(), strict=True)]
    assert max(differences) <= (8 if "jpeg" in way or way == "webp" else 0)


@pytest.mark.parametrize("how", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_data_ask(orientation: int, how: str) -> None:
    data = encoded(flag(), how, exif=exif(orientation))
    with Pillow.open(BytesIO(data)) as opened:
        expected = ImageOps.exif_transpose(opened).convert("RGB")
    decoded = pixels(data)
    assert decoded.size == ((32, 16) if orientation >= 5 else (16, 32))
    assert decoded.tobytes() == expected.tobytes()
    assert decoded.getexif().get(0x0112) is None


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_turn_that_does_not_exist_is_none(orientation: int) -> None:
    assert pixels(encoded(flag(), exif=exif(orientation))).tobytes() == flag().tobytes()


@pytest.mark.parametrize(
    ("mode", "how"),
    [(mode, how) for mode in ("1", "L", "LA", "P", "RGBA") for how in ("PNG", "TIFF")]
    + [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG"), ("RGBA", "WEBP"), ("RGBA", "BMP"), ("P", "BMP"), ("PA", "TIFF")]
    + [("I", "TIFF"), ("F", "TIFF"), ("LAB", "TIFF")],
)  # fmt: skip
def test_colours_of_every_mode_become_rgb(mode: str, how: str) -> None:
    black_and_white = Pillow.new("L", (16, 16), 0)
    black_and_white.paste(255, (0, 0, 8, 16))
    rgb = black_and_white.convert("RGB")
    if mode == "LAB":
        picture = Pillow.merge("LAB", (black_and_white, Pillow.new("L", (16, 16), 128), Pillow.new("L", (16, 16), 128)))
    else:
        picture = rgb.convert("P").convert("PA") if mode == "PA" else rgb.convert(mode)
    decoded = pixels(encoded(picture, how))
    assert min(decoded.getpixel((2, 2))) >= 250  # pyright: ignore[reportArgumentType]
    assert max(decoded.getpixel((13, 13))) <= 5  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("how", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(how: str) -> None:
    values = [0, 128, 129, 257, 32768, 65278, 65535]
    picture = Pillow.new("I;16", (len(values), 1))
    for x, value in enumerate(values):
        picture.putpixel((x, 0), value)
    decoded = pixels(encoded(picture, how)).convert("L")
    assert list(decoded.tobytes()) == [0, 0, 1, 1, 128, 254, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),
        ([0.0, 51.0, 255.0], [0, 51, 255]),
        ([0.0, 25700.0, 65535.0], [0, 100, 255]),
        ([0.0, 500000.0, 1000000.0], [0, 127, 255]),
        ([-1.0, 0.0, 1.0], [0, 127, 255]),
        ([7.0, 7.0, 7.0], [7, 7, 7]),
        ([-7.0, -7.0, -7.0], [0, 0, 0]),
    ],
)
def test_numbers_are_scaled_by_the_range_they_fill(values: list[float], expected: list[int]) -> None:
    picture = Pillow.new("F", (3, 1))
    for x, value in enumerate(values):
        picture.putpixel((x, 0), value)
    decoded = pixels(encoded(picture, "TIFF")).convert("L")
    assert all(abs(a - b) <= 1 for a, b in zip(decoded.tobytes(), expected, strict=True)), list(decoded.tobytes())


def transparent() -> dict[str, bytes]:
    """Pictures whose left half cannot be seen and whose right half is red."""
    rgba = Pillow.new("RGBA", (8, 4), (0, 0, 255, 0))
    rgba.paste((*RED, 255), (4, 0, 8, 4))
    palette = Pillow.new("P", (8, 4), 0)
    palette.putpalette([*BLUE, *RED])
    palette.paste(1, (4, 0, 8, 4))
    rgb = Pillow.new("RGB", (8, 4), BLUE)
    rgb.paste(RED, (4, 0, 8, 4))
    return {
        "rgba png": encoded(rgba),
        "rgba webp": encoded(rgba, "WEBP", lossless=True),
        "rgba tiff": encoded(rgba, "TIFF"),
        "gif": encoded(palette, "GIF", transparency=0),
        "palette png": encoded(palette, transparency=0),
        "palette png with levels": encoded(palette, transparency=bytes([0, 255])),
        "rgb png with a colour": encoded(rgb, transparency=BLUE),
    }


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("name", transparent())
def test_what_is_transparent_is_laid_on_white(name: str) -> None:
    decoded = pixels(transparent()[name])
    assert (decoded.getpixel((0, 0)), decoded.getpixel((7, 3))) == (WHITE, RED)


def test_half_transparent_is_half_white() -> None:
    assert pixels(encoded(Pillow.new("RGBA", (2, 2), (0, 0, 0, 128)))).getpixel((0, 0)) == (127, 127, 127)


def test_one_grey_of_sixteen_bits_may_be_transparent() -> None:
    assert pixels(encoded(Pillow.new("I;16", (2, 1), 4000), transparency=4000)).getpixel((0, 0)) == WHITE
    assert pixels(encoded(Pillow.new("I;16", (2, 1), 4000), transparency=1)).getpixel((0, 0)) == (16, 16, 16)


@pytest.mark.parametrize("how", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_shown(how: str) -> None:
    frames = [Pillow.new("RGB", (8, 8), colour) for colour in (RED, BLUE, WHITE)]
    options = {"lossless": True} if how == "WEBP" else {}
    data = encoded(frames[0], how, save_all=True, append_images=frames[1:], **options)
    assert pixels(data).getpixel((0, 0)) == RED


def test_what_is_decoded_has_no_metadata_and_no_file() -> None:
    decoded = pixels(encoded(flag(), "JPEG", exif=exif(6), comment=b"secret"))
    assert decoded.info == {}
    assert type(decoded) is Pillow.Image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_a_pillow_image_becomes_a_png_of_the_same_pixels(mode: str) -> None:
    picture = Pillow.new("I;16", (16, 32), 65535) if mode == "I;16" else flag().convert(mode)
    expected = Pillow.new("RGB", (16, 32), WHITE) if mode == "I;16" else picture.convert("RGB")
    with Pillow.open(BytesIO(encode_png(picture))) as opened:
        assert opened.format == "PNG"
        if mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
            assert (opened.mode, opened.tobytes()) == (picture.mode, picture.tobytes())
    assert pixels(encode_png(picture)).tobytes() == expected.tobytes()


def test_a_pillow_image_is_turned_as_its_exif_data_ask() -> None:
    with Pillow.open(BytesIO(encoded(flag(), "PNG", exif=exif(6)))) as opened:
        expected = ImageOps.exif_transpose(opened)
        assert pixels(encode_png(opened)).tobytes() == expected.tobytes()


def test_a_pillow_image_keeps_what_is_transparent_in_it() -> None:
    with Pillow.open(BytesIO(transparent()["palette png"])) as opened:
        assert pixels(encode_png(opened)).getpixel((0, 0)) == WHITE


def test_a_pillow_image_of_a_broken_file_is_refused() -> None:
    data = encoded(gradient())
    with Pillow.open(BytesIO(data[:100])) as opened, pytest.raises(InvalidImage, match="cannot be read") as refused:
        encode_png(opened)
    assert refused.value.why == "truncated"


def test_a_picture_that_nobody_checked_may_be_broken() -> None:
    with pytest.raises(InvalidImage, match=r"flag\.png: the PNG file is damaged") as refused:
        decode(Image(encoded(flag())[:60] + encoded(flag())[-12:], 16, 32, name="flag.png"))
    assert refused.value.why == "truncated"


@pytest.mark.parametrize("size", [(600, 3), (1000, 5), (3980, 20), (32_768, 164), (3, 600), (20, 3999)])
def test_a_shape_that_models_just_take_is_no_narrower_when_it_is_shrunk(size: tuple[int, int]) -> None:
    image = shrunk(Image(encoded(Pillow.new("RGB", size)), *size), 512)
    sides = sorted((image.width, image.height))
    assert sides[1] == 512
    assert sides[1] / sides[0] <= 200
