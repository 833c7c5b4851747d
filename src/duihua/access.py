"""Who may ask: API keys, read from files and compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from duihua.errors import ConfigError

__all__ = ["Keys"]

_SHORTEST = 8  # characters; a shorter key is a mistake


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that open a server; with none it is open to all.

    Only digests are kept, so that a key shows in no representation and every comparison takes the same time.
    """

    digests: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.digests)

    @classmethod
    def of(cls, keys: Iterable[str]) -> Self:
        """These keys."""
        return cls(tuple(_digest(key) for key in keys))

    @classmethod
    def read(cls, file: Path | None) -> Self:
        """The keys of a file, one a line; empty lines and lines that begin with # are not keys.

        Raises:
            ConfigError: the file cannot be read, holds no key, or one too short to be one.
        """
        if file is None:
            return cls()
        try:
            lines = [line.strip() for line in file.expanduser().read_text("utf-8-sig").splitlines()]
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"the keys of {file} cannot be read: {error}") from error
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise ConfigError(f"{file} holds no key: write one a line")
        return cls.checked(keys, str(file))

    @classmethod
    def checked(cls, keys: Sequence[str], source: str) -> Self:
        """These keys, fit to be ones.

        Raises:
            ConfigError: one is too short, or cannot be sent in a header; names the source, never the key.
        """
        if any(len(key) < _SHORTEST or not key.isascii() or key != key.strip() for key in keys):
            raise ConfigError(
                f"{source} holds a key of less than {_SHORTEST} characters, or not in ASCII: make it longer"
            )
        return cls.of(keys)

    def __add__(self, other: Keys) -> Keys:
        """Both."""
        return Keys((*self.digests, *other.digests))

    def opens(self, given: str | None) -> bool:
        """Whether this is one of the keys; takes the same time whichever it is, and whether or not."""
        digest = _digest(given or "")
        matches = [hmac.compare_digest(digest, known) for known in self.digests]
        return any(matches) or not self.digests


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
