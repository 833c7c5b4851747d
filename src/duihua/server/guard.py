"""Who may ask: the host that is named, the page that asks, the key."""

from __future__ import annotations

from typing import Final

from duihua.server.exchange import Exchange
from duihua.server.failures import Refusal
from duihua.server.service import Service

__all__ = ["admit"]

_OPEN: Final = ("/health",)
_ADMIN: Final = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter")
_HERE: Final = ("localhost", "127.0.0.1", "[::1]")


async def admit(service: Service, exchange: Exchange) -> bool:
    """Whether the request may go on; False: it was a browser's question beforehand, and is answered.

    Raises:
        Refusal: a header twice (400), another host's name (421), a page that may not ask (403), no key or a wrong
            one (401).
    """
    exchange.check_headers()
    _check_host(service, exchange)
    origin = exchange.header("origin")
    is_allowed = bool(origin) and (origin in (known := service.settings.allowed_origins) or "*" in known)
    if is_allowed:
        exchange.headers += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"x-request-id, x-duihua-window, x-duihua-ignored, retry-after"),
            (b"vary", b"Origin"),
        ]
    if exchange.method == "OPTIONS" and exchange.header("access-control-request-method"):
        await _answer_preflight(exchange, is_allowed=is_allowed)
        return False
    if exchange.path not in _OPEN:
        _check_key(service, exchange)
    return True


def _check_host(service: Service, exchange: Exchange) -> None:
    """A name of another host means that a page elsewhere had its name point here (DNS rebinding)."""
    settings = service.settings
    allowed = [name.lower() for name in settings.allowed_hosts]
    if not allowed and settings.is_local:
        allowed = [*_HERE, settings.host.lower()]
    host = exchange.header("host").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
    if allowed and name not in allowed and host not in allowed:
        raise Refusal(421, "host_not_allowed", "this server does not answer to that Host: use --allowed-host NAME")


async def _answer_preflight(exchange: Exchange, *, is_allowed: bool) -> None:
    if not is_allowed:
        raise Refusal(403, "origin_not_allowed", "pages of that origin may not ask: use --allowed-origin ORIGIN")
    headers = (
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", exchange.header("access-control-request-headers")[:1000] or "*"),
        ("access-control-max-age", "600"),
    )
    await exchange.reply(b"", status=204, headers=headers)


def _check_key(service: Service, exchange: Exchange) -> None:
    scheme, _, given = exchange.header("authorization").partition(" ")
    key = given.strip() if scheme.lower() == "bearer" else None
    if exchange.path in _ADMIN and service.settings.adapter_dir is not None:
        if not (service.admin_keys and service.admin_keys.opens(key)):
            raise _no_key("this path needs an admin key (--admin-key-file)")
    elif not service.keys.opens(key) and not (service.admin_keys and service.admin_keys.opens(key)):
        raise _no_key("this server needs a key: send 'Authorization: Bearer KEY'")


def _no_key(message: str) -> Refusal:
    return Refusal(
        401, "invalid_api_key", message, param="authorization", headers={"www-authenticate": 'Bearer realm="duihua"'}
    )
