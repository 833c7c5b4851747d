"""What can be set about the server."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Literal

from duihua.errors import ConfigError, InvalidImage, InvalidParameter
from duihua.vision.address import host_pattern

__all__ = ["ServeSettings"]

_MIB: Final = 1 << 20
_AT_LEAST: Final = {"port": 0, "drain_seconds": 0, "restart_engine": 0, "ping_seconds": 0, "max_logprobs": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where a server listens, who may ask it, and how much.

    Raises:
        InvalidParameter: a number below what it may be.
    """

    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    served_name: str | None = None  # what requests call the model; None: its own name
    api_keys: Sequence[str] = ()  # keys; every path but /health then needs one
    api_key_file: str | None = None  # further ones, one a line
    admin_key_file: str | None = None  # keys for loading and unloading adapters
    insecure: bool = False  # listen beyond this machine without keys
    allowed_hosts: Sequence[str] = ()  # Host headers that are answered; (): this machine's names where it is local
    allowed_origins: Sequence[str] = ()  # web pages that may ask (CORS); "*": all
    tls_cert: str | None = None  # PEM files
    tls_key: str | None = None
    adapter_dir: str | None = None  # adapters below it may be loaded while running, by their folder's name
    serve_tools: bool = False  # run the tools that are set, for requests that bring none
    lenient: bool = False  # leave unknown fields of a request out instead of refusing it
    overflow: Literal["drop", "error"] = "error"  # when a conversation outgrows the window and the request is silent
    max_body_bytes: int = 8 * _MIB
    max_header_bytes: int = 64 * 1024
    max_messages: int = 4096
    max_choices: int = 16  # n and best_of
    max_stop: int = 16  # stop strings
    max_tools: int = 128  # of a request; so many OpenAI takes
    max_logprobs: int = 20  # alternatives per token
    max_request_images: int = 64  # pictures in a request, before the window drops any
    max_image_bytes: int = 20 * _MIB  # of a picture's file
    max_image_pixels: int = 50_000_000  # of a picture
    image_seconds: float = 20.0  # to fetch one
    allow_image_urls: bool = False  # fetch pictures that a request names by http(s) URL
    image_domains: Sequence[str] = ()  # of public hosts only these: example.org, *.example.org; (): all
    max_waiting: int = 256  # requests without a first token
    deadline_seconds: float = 600.0  # longest a request may take
    keep_alive_seconds: float = 75.0  # an idle connection, and one whose request does not come
    ping_seconds: float = 15.0  # a stream without a token gets a comment; 0: never
    drain_seconds: float = 30.0  # running answers may go on so long after SIGTERM
    restart_engine: int = 3  # deaths in a row after which the engine is given up
    log_format: Literal["text", "json"] = "text"
    log_prompts: bool = False  # write what is asked into the log
    trace_endpoint: str | None = None  # OTLP over HTTP, for OpenTelemetry's traces

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = _AT_LEAST.get(field.name, 1)
            if isinstance(value, int | float) and not isinstance(value, bool) and not value >= least:
                raise InvalidParameter(field.name, value, f"give a number from {least}")

    @property
    def is_local(self) -> bool:
        """Whether nothing outside this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_guarded(self) -> bool:
        """Whether who asks needs a key."""
        return bool(self.api_keys or self.api_key_file)

    @property
    def image_hosts(self) -> tuple[str, ...]:
        """`image_domains`, as hosts are compared.

        Raises:
            ConfigError: one that is no host.
        """
        return tuple(map(_image_host, self.image_domains))

    def check(self) -> None:
        """Refuse to open a door that nobody guards.

        Raises:
            ConfigError: an address beyond this machine without keys, half a TLS pair, a folder that is none, hosts of
                pictures that are none, or that are never asked.
        """
        if not self.is_local and not self.is_guarded and not self.insecure:
            raise ConfigError(
                f"--host {self.host} lets others on the network ask: give --api-key-file FILE (one key a line) "
                "or --api-key KEY, or --insecure if that is wanted"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("TLS needs both --tls-cert and --tls-key")
        for name in ("tls_cert", "tls_key"):
            path = getattr(self, name)
            if path is not None and not Path(path).expanduser().is_file():
                raise ConfigError(f"--{name.replace('_', '-')} {path}: there is no such file")
        if self.adapter_dir is not None and not Path(self.adapter_dir).expanduser().is_dir():
            raise ConfigError(f"--adapter-dir {self.adapter_dir}: there is no such directory")
        if self.image_hosts and not self.allow_image_urls:
            raise ConfigError(
                f"--image-domain {self.image_domains[0]} says where pictures may come from, and none are fetched: "
                "give --allow-image-urls too, or leave it out"
            )


def _image_host(domain: str) -> str:
    try:
        return host_pattern(domain)
    except InvalidImage as error:
        raise ConfigError(
            f"--image-domain {domain}: this is no host: write it as in example.org, or *.example.org for all below it, "
            "without http://, port and path"
        ) from error
