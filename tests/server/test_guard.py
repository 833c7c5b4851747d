"""Who may ask: hosts, pages, keys."""

from __future__ import annotations

from typing import Any

import pytest

from duihua.server.app import route_names
from server.asgi import CHAT, HELLO, JSON, Reply, Server, ask, serving

KEY, OTHER, ADMIN = "first-key-1", "second-key-2", "admin-key-3"
PAGE = "https://page.example"


def get(server: Server, path: str = "/version", *headers: tuple[str, str], method: str = "GET", **more: Any) -> Reply:
    return ask(server, method, path, headers=headers, **more)


def bearer(key: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {key}")


# Hosts


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8000", "LOCALHOST:1"]
)
def test_a_local_server_answers_to_this_machine_s_names(host: str) -> None:
    assert get(serving(), host=host).status == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x:1",
             "0.0.0.0", "127.0.0.2", "::1", "[::2]", "evil\xe9", "localhost@evil.example"],
)  # fmt: skip
def test_a_page_whose_name_points_here_is_not_answered(host: str) -> None:
    for method, path in (("GET", "/health"), ("POST", CHAT), ("OPTIONS", CHAT)):
        reply = get(serving(allowed_origins=["*"]), path, method=method, host=host)
        assert (reply.status, reply.error["code"]) == (421, "host_not_allowed")


def test_a_server_answers_to_the_address_it_listens_at() -> None:
    assert get(serving(host="127.0.0.2"), host="127.0.0.2:8000").status == 200
    assert get(serving(host="::1"), host="[::1]:8000").status == 200


def test_names_may_be_allowed_and_then_no_others_are() -> None:
    server = serving(allowed_hosts=["Chat.Example", "other.example:444"])
    for host, status in (("chat.example", 200), ("CHAT.example:8000", 200), ("other.example:444", 200),
                         ("other.example", 421), ("localhost", 421)):  # fmt: skip
        assert get(server, host=host).status == status


def test_a_server_for_others_answers_to_every_name() -> None:
    assert get(serving(host="0.0.0.0", insecure=True), host="anything.example").status == 200


# Pages


def test_a_page_may_ask_where_its_origin_is_allowed() -> None:
    for allowed in ([PAGE], ["*"]):
        reply = get(serving(allowed_origins=allowed), "/version", ("origin", PAGE))
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["vary"] == "Origin"
        assert "x-duihua-window" in reply.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://page.example", ""])
def test_another_page_is_told_nothing_of_its_leave(origin: str) -> None:
    reply = get(serving(allowed_origins=[PAGE]), "/version", ("origin", origin))
    assert "access-control-allow-origin" not in reply.headers


def test_errors_reach_a_page_too() -> None:
    server = serving(keys=[KEY], allowed_origins=[PAGE])
    reply = get(server, CHAT, ("origin", PAGE), method="POST")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (401, PAGE)


def test_a_browser_s_question_beforehand_needs_no_key() -> None:
    server = serving(keys=[KEY], allowed_origins=[PAGE])
    asks = (("access-control-request-method", "POST"), ("access-control-request-headers", "authorization,content-type"))
    reply = get(server, CHAT, ("origin", PAGE), *asks, method="OPTIONS")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in reply.headers["access-control-allow-methods"]
    refused = get(server, CHAT, ("origin", "https://evil.example"), *asks, method="OPTIONS")
    assert (refused.status, refused.error["code"]) == (403, "origin_not_allowed")


def test_a_page_cannot_ask_without_asking_beforehand() -> None:
    """A browser sends these content types to other origins unasked; they are no JSON to us."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        reply = ask(serving(), "POST", CHAT, {"messages": HELLO}, headers=(("content-type", kind),))
        assert reply.status == 415


# Keys


@pytest.mark.parametrize(
    ("method", "path"), [*sorted(route_names()), ("GET", "/strange"), ("PUT", "/version"), ("GET", "/")]
)
@pytest.mark.parametrize("folder", [None, "."])
def test_every_path_but_health_needs_a_key(method: str, path: str, folder: str | None) -> None:
    server = serving(keys=[KEY], admin_keys=[ADMIN], adapter_dir=folder)
    reply = get(server, path, method=method)
    if path == "/health":
        assert reply.status == 200
        return
    assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == 'Bearer realm="duihua"'
    assert get(server, path, bearer(ADMIN), method=method).status != 401


@pytest.mark.parametrize("header", [bearer(KEY), bearer(OTHER), bearer(ADMIN), ("Authorization", f"bearer   {KEY} ")])
def test_each_key_opens(header: tuple[str, str]) -> None:
    assert get(serving(keys=[KEY, OTHER], admin_keys=[ADMIN]), "/version", header).status == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Basic {KEY}", KEY, f"Bearer\t{KEY}",
              f"Bearer {KEY},{OTHER}", "Bearer \xff\xfe", "Bearer " + "x" * 60_000],
)  # fmt: skip
def test_nothing_else_opens(value: str) -> None:
    reply = get(serving(keys=[KEY, OTHER]), "/version", ("authorization", value))
    assert reply.status == 401
    assert KEY not in reply.body.decode()


def test_a_key_for_asking_is_none_for_adapters() -> None:
    server = serving(keys=[KEY], admin_keys=[ADMIN], adapter_dir=".")
    for path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"):
        assert get(server, path, bearer(KEY), method="POST").status == 401
        assert get(server, path, bearer(ADMIN), *JSON, method="POST", body=b"{}").status == 400


def test_where_no_adapter_can_be_loaded_any_key_is_told_so() -> None:
    for path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"):
        assert get(serving(keys=[KEY], admin_keys=[ADMIN]), path, bearer(KEY), method="POST").status == 404
        assert get(serving(), path, method="POST").status == 404


def test_adapters_need_a_key_even_where_asking_needs_none() -> None:
    server = serving(admin_keys=[ADMIN], adapter_dir=".")
    assert get(server).status == 200
    assert get(server, "/v1/load_lora_adapter", method="POST").status == 401


def test_a_server_without_keys_looks_at_none() -> None:
    assert get(serving(), "/version", bearer("whatever")).status == 200


@pytest.mark.parametrize("name", ["Host", "Authorization", "Content-Length", "Content-Type"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/v1/models"), ("POST", "/tokenize")])
def test_a_header_that_decides_something_may_not_stand_there_twice(name: str, method: str, path: str) -> None:
    values = {"Host": "localhost", "Authorization": f"Bearer {KEY}", "Content-Length": "2", "Content-Type": "text/html"}
    headers = [*JSON, ("Authorization", f"Bearer {KEY}"), ("Content-Length", "2"), (name, values[name])]
    reply = ask(serving(keys=[KEY]), method, path, b"{}", headers=headers)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "duplicate_header", name.lower())


def test_other_headers_may() -> None:
    headers = [("Accept", "a"), ("Accept", "b"), ("X-Request-Id", "1"), ("X-Request-Id", "2")]
    assert ask(serving(), "GET", "/version", headers=headers).status == 200
