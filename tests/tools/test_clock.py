"""The clock tells the time of a zone."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

from duihua.errors import ToolFailed
from duihua.tools.clock import clock

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def fixed(zone: tzinfo | None) -> datetime:
    return NOON.astimezone(zone) if zone else NOON


def told(**arguments: Any) -> dict[str, str]:
    return json.loads(asyncio.run(clock(fixed).call(arguments)).content)


def test_it_tells_date_time_and_weekday_of_a_zone() -> None:
    assert told(timezone="Asia/Shanghai") == {
        "date": "2026-03-01",
        "time": "20:30:00",
        "weekday": "Sunday",
        "timezone": "Asia/Shanghai",
        "utc_offset": "+08:00",
    }
    assert told(timezone="Asia/Kathmandu")["utc_offset"] == "+05:45"


def test_without_a_zone_it_is_this_machine_s() -> None:
    here = NOON.astimezone()
    assert told()["time"] == here.strftime("%H:%M:%S")
    assert told(timezone=None)["date"] == here.strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    ("zone", "cure"),
    [
        ("Asia/Shangai", "Asia/Shanghai"),
        ("new york", "America/New_York"),
        ("../../etc/passwd", "IANA"),
        ("/etc/passwd", "IANA"),
        ("America", ""),
        ("x" * 1000, "IANA"),
        ("\0", "IANA"),
    ],
)
def test_a_zone_that_is_none_is_refused_with_the_nearest(zone: str, cure: str) -> None:
    with pytest.raises(ToolFailed, match="there is no time zone") as caught:
        told(timezone=zone)
    assert cure in str(caught.value)
    assert len(str(caught.value)) < 250


def test_the_real_one_tells_now() -> None:
    assert json.loads(asyncio.run(clock().call({"timezone": "UTC"})).content)["date"] >= "2026-01-01"
