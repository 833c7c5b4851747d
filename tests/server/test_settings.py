from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duihua.errors import ConfigError, InvalidParameter
from duihua.server.settings import ServeSettings


@pytest.mark.parametrize(("host", "is_local"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
    ("192.168.0.5", False), ("example.org", False), ("", False),
])  # fmt: skip
def test_only_this_machine_s_own_addresses_are_local(host: str, is_local: bool) -> None:
    assert ServeSettings(host=host).is_local is is_local


def test_the_defaults_are_safe() -> None:
    settings = ServeSettings()
    settings.check()
    assert settings.is_local
    assert settings.overflow == "error"
    assert not any((settings.lenient, settings.insecure, settings.log_prompts, settings.allowed_origins))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_a_door_to_others_needs_a_key_or_a_word(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--api-key-file"):
        ServeSettings(host=host).check()
    ServeSettings(host=host, api_key_file=str(tmp_path)).check()
    ServeSettings(host=host, insecure=True).check()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tls_cert": "here"}, "both"),
        ({"tls_key": "here"}, "both"),
        ({"tls_cert": "nowhere", "tls_key": "here"}, "--tls-cert nowhere"),
        ({"tls_cert": "here", "tls_key": "nowhere"}, "--tls-key nowhere"),
        ({"adapter_dir": "here"}, "no such directory"),
    ],
)
def test_files_that_are_not_there_are_refused(
    wrong: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").touch()
    with pytest.raises(ConfigError, match=said):
        ServeSettings(**wrong).check()  # pyright: ignore[reportArgumentType]  only texts


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", -1), ("max_body_bytes", 0), ("max_messages", 0), ("max_choices", -5), ("max_waiting", 0),
     ("deadline_seconds", 0.0), ("deadline_seconds", float("nan")), ("drain_seconds", -0.1), ("ping_seconds", -1.0)],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidParameter) as caught:
        ServeSettings(**wrong)
    assert caught.value.name == name


def test_zero_means_never_where_it_may() -> None:
    ServeSettings(port=0, drain_seconds=0, ping_seconds=0, restart_engine=0, max_logprobs=0)


@pytest.mark.parametrize(
    ("domain", "host"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("*.example.org", "*.example.org"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("*.例子.中国", "*.xn--fsqu00a.xn--fiqs8s"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("93.184.216.34", "93.184.216.34"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_of_pictures_are_those_of_urls(domain: str, host: str) -> None:
    settings = ServeSettings(allow_image_urls=True, image_domains=[domain])
    settings.check()
    assert settings.image_hosts == (host,)


@pytest.mark.parametrize(
    "domain",
    ["https://other.org", ".example.org", "example.org:443", "*", "*.", "", " ", "example.org/a", "a..b", "*example.org",
     "a.*.org", "*.*.org", "user@example.org", "2130706433", "*.127.0.0.1", "a b.org", "-.例\0"],
)  # fmt: skip
def test_what_is_no_host_of_pictures_is_refused(domain: str) -> None:
    with pytest.raises(ConfigError, match=r"is no host: write it as in example\.org") as refused:
        ServeSettings(allow_image_urls=True, image_domains=["example.org", domain]).check()
    assert f"--image-domain {domain}:" in str(refused.value)


def test_hosts_of_pictures_without_fetching_are_refused() -> None:
    with pytest.raises(ConfigError, match="give --allow-image-urls too"):
        ServeSettings(image_domains=["example.org"]).check()
