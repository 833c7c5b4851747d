import pytest

from duihua.config import read_settings, variable_of
from duihua.errors import ConfigError
from duihua.web.settings import WebSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_s_addresses_need_no_word(host: str) -> None:
    WebSettings(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_other_addresses_are_refused_unless_that_is_wanted(host: str) -> None:
    with pytest.raises(ConfigError, match="give --insecure"):
        WebSettings(host=host).check()
    WebSettings(host=host, insecure=True).check()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_names_where_it_was_said(port: int) -> None:
    with pytest.raises(ConfigError, match=f"^DUIHUA_WEB_PORT: port={port} is not possible: give a whole number from 0"):
        read_settings(environ={"DUIHUA_WEB_PORT": str(port)})


def test_the_page_s_variables_have_the_table_in_their_name() -> None:
    assert variable_of("web.port") == "DUIHUA_WEB_PORT"
    environ = {"DUIHUA_WEB_HOST": "::1", "DUIHUA_WEB_TITLE": "Ours", "DUIHUA_WEB_INSECURE": "yes"}
    assert read_settings(environ=environ).web == WebSettings(host="::1", title="Ours", insecure=True)
