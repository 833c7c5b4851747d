import socket

import pytest

from duihua.errors import ConfigError
from duihua.web.address import bound_socket, url_of
from duihua.web.settings import WebSettings


def test_a_port_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1, port {port}: .*--port"):
            bound_socket(WebSettings(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.name.invalid"])
def test_an_address_that_is_not_this_machine_s_is_told(host: str) -> None:
    with pytest.raises(ConfigError, match=host):
        bound_socket(WebSettings(host=host, insecure=True))


def test_port_0_is_any_that_is_free_and_nobody_is_kept_waiting_before_it_is_served() -> None:
    with bound_socket(WebSettings(port=0)) as made, pytest.raises(ConnectionRefusedError):
        socket.create_connection(made.getsockname(), timeout=5)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")],
)
def test_the_url_is_one_that_a_browser_opens(host: str, shown: str) -> None:
    try:
        listening = bound_socket(WebSettings(host=host, port=0, insecure=True))
    except ConfigError:
        pytest.skip("this machine has no such address")
    with listening:
        assert url_of(listening) == f"http://{shown}:{listening.getsockname()[1]}"
