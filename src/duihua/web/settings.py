"""What can be set about the browser page."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from duihua.errors import ConfigError, InvalidParameter

__all__ = ["WebSettings"]

_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """Where the page is served, and what it is called.

    Raises:
        InvalidParameter: a port that is none.
    """

    host: str = "127.0.0.1"
    port: int = 7860  # 0: any that is free
    title: str | None = None  # above the page; None: the model's name
    insecure: bool = False  # listen beyond this machine, where anybody may talk to the model

    def __post_init__(self) -> None:
        if not 0 <= self.port <= _HIGHEST_PORT:
            raise InvalidParameter("port", self.port, f"give a whole number from 0 to {_HIGHEST_PORT}")

    @property
    def is_local(self) -> bool:
        """Whether nothing outside this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check(self) -> None:
        """Refuse to open a door that nobody guards.

        Raises:
            ConfigError: an address beyond this machine, and nobody said that this is wanted.
        """
        if not self.is_local and not self.insecure:
            raise ConfigError(
                f"--host {self.host} lets others on the network talk to the model, and the page knows no accounts: "
                "give --insecure if that is wanted"
            )
