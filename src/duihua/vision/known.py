"""Pictures that were checked before. A client without state sends every picture again with every turn."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace

from duihua.image import Image
from duihua.vision.bounds import Bounds, check_bytes, check_size
from duihua.vision.data_url import file_of
from duihua.vision.read import read_bytes

__all__ = ["KnownImages"]


class KnownImages:
    """Reads pictures, and remembers those that could be taken: the second time costs a checksum, not a decoding.

    The least recently read are forgotten first. Any thread may use it; two that bring the same new picture at once both
    decode it.
    """

    def __init__(self, *, max_bytes: int = 256 << 20) -> None:
        """`max_bytes`: of the remembered files together; a file that is larger is not remembered."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._images: OrderedDict[bytes, Image] = OrderedDict()  # by SHA-256 of the file
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._images)

    def read_bytes(self, data: bytes, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
        """As `duihua.vision.read.read_bytes`; the bounds of this call hold for a picture that is known too."""
        check_bytes(len(data), bounds, name)
        key = hashlib.sha256(data).digest()
        with self._lock:
            known = self._images.get(key)
            if known is not None:
                self._images.move_to_end(key)
        if known is None:
            known = read_bytes(data, bounds=bounds, name=name)
            self._remember(key, known)
        check_size(known.width, known.height, bounds, name)
        return known if known.name == name else replace(known, name=name)

    def read_data_url(self, url: str, *, bounds: Bounds = Bounds(), name: str = "") -> Image:
        """As `duihua.vision.read.read_data_url`."""
        return self.read_bytes(file_of(url, bounds=bounds, name=name), bounds=bounds, name=name)

    def _remember(self, key: bytes, image: Image) -> None:
        with self._lock:
            if key in self._images or len(image.data) > self._max_bytes:
                return
            self._images[key] = image
            self._bytes += len(image.data)
            while self._bytes > self._max_bytes:
                _, gone = self._images.popitem(last=False)
                self._bytes -= len(gone.data)
