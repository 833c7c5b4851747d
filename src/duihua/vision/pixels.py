"""Files to pixels and pixels to files. Importing this module imports Pillow."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Final, cast

from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL import Image as Pillow

from duihua.image import Image
from duihua.vision.headers import read_header
from duihua.vision.kinds import Kind, kind_of
from duihua.vision.refusal import refusal

__all__ = ["decode", "encode_png", "load", "shrunk"]

# One plugin for each kind, called by name: no other parser of Pillow's ever sees a byte, `Image.open` and its one
# bound for the whole process are not used, and a JPEG with further pictures behind the first is only its first.
_PLUGINS: Final[dict[str, Callable[[BytesIO], Pillow.Image]]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
_MODES: Final = frozenset(
    {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
    | {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
)
_OF_PNG: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
_TURNS: Final = {  # EXIF's orientation -> what undoes it
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_ORIENTATION: Final = 0x0112  # EXIF's tag
_FAST: Final = 1  # zlib's level: twice the speed of the usual one, a tenth more bytes


def decode(image: Image) -> Pillow.Image:
    """The picture's pixels: RGB, 8 bits a channel, upright, `image.width` x `image.height`.

    Turned as EXIF asks, what is transparent laid on white, the first frame of an animation, 16 bits scaled to 8. Colour
    profiles are not applied: image processors do not either. The result carries no metadata.

    Raises:
        InvalidImage: the picture was not made by `duihua.vision.read`, and is broken.
    """
    kind = kind_of(image.data, image.name)
    header = read_header(image.data, kind, image.name)
    picture = _rgb(load(image.data, kind, image.name))
    turned = picture.transpose(_TURNS[header.orientation]) if header.orientation in _TURNS else picture
    turned.info = {}
    return turned


def shrunk(image: Image, side: int) -> Image:
    """The picture with its longer side so many pixels at most: itself where it is smaller, else a PNG."""
    if max(image.width, image.height) <= side:
        return image
    pixels = decode(image)
    pixels.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    return Image(encode_png(pixels), pixels.width, pixels.height, "image/png", image.name)


def load(data: bytes, kind: Kind, name: str = "") -> Pillow.Image:
    """The file's first picture, decoded whole as Pillow has it: neither turned nor converted (TIFF is turned).

    Its header must have been checked: this takes memory for as many pixels as the file says.

    Raises:
        InvalidImage: "truncated" where it does not decode to its end, "kind" for colours that cannot become RGB.
    """
    # Pillow would read EXIF data for the resolution, each entry apart, however much they claim; we read our own.
    shown = data.replace(b"Exif\0\0", b"\0" * 6) if kind.name == "JPEG" else data
    try:
        picture = _PLUGINS[kind.name](BytesIO(shown))
        picture.load()
    except Exception as error:  # parsers of broken files raise whatever they stumble over
        raise refusal(
            "truncated",
            f"the {kind.name} file is damaged, ends early, or is of a rare make: save it again as PNG",
            name,
        ) from error
    if picture.mode not in _MODES:
        raise refusal("kind", f"its colours are {picture.mode}, which is not read: save it as RGB", name)
    return picture


def encode_png(picture: Pillow.Image) -> bytes:
    """A PNG of these pixels, without loss where PNG can hold them, else of their RGB; upright, without metadata.

    Raises:
        InvalidImage: it comes from a file that is damaged, or its colours cannot become RGB.
    """
    try:
        picture.load()
        orientation = picture.getexif().get(_ORIENTATION, 1)
        kept = picture if picture.mode in _OF_PNG else _rgb(picture)
        turned = kept.transpose(_TURNS[orientation]) if orientation in _TURNS else kept
        file = BytesIO()
        transparency = {"transparency": turned.info["transparency"]} if "transparency" in turned.info else {}
        turned.save(file, "PNG", compress_level=_FAST, icc_profile=None, exif=b"", **transparency)
    except (OSError, ValueError, SyntaxError) as error:
        raise refusal("truncated", f"the picture cannot be read ({error}): open it again") from error
    return file.getvalue()


def _rgb(picture: Pillow.Image) -> Pillow.Image:
    """Any of `_MODES` as RGB, on white."""
    if picture.mode.startswith("I;16"):
        return _of_sixteen_bits(picture)
    if picture.mode in ("I", "F"):
        return _of_numbers(picture).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")  # a copy, free of the file, where it is RGB
    coloured = picture if picture.mode == "RGBA" else _coloured(picture)
    white = Pillow.new("RGB", picture.size, "white")
    white.paste(coloured, mask=coloured.getchannel("A"))
    return white


def _coloured(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode == "La":
        picture = picture.convert("LA")
    return picture.convert("RGBA")


def _of_sixteen_bits(picture: Pillow.Image) -> Pillow.Image:
    """Grey of 16 bits: 65,535 becomes 255; where one value is transparent it is white."""
    table = [(value * 255 + 32767) // 65535 for value in range(65536)]
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int) and 0 <= transparent < len(table):
        table[transparent] = 255
    return picture.convert("I").point(table, "L").convert("RGB")


def _of_numbers(picture: Pillow.Image) -> Pillow.Image:
    """Grey of 32-bit numbers, whose range no file tells: 1, 255 or 65,535 is white, else the brightest is."""
    low, high = cast("tuple[float, float]", picture.getextrema())
    if low >= 0:
        low, high = 0.0, next((top for top in (1.0, 255.0, 65535.0) if high <= top), high)
    scale = 255 / (high - low) if high > low else 0.0
    return picture.convert("F").point(lambda value: value * scale + -low * scale).convert("L")
