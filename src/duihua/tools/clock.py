"""The date and the time, which no model knows."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from duihua.errors import ToolFailed
from duihua.tools.function import FunctionTool

__all__ = ["clock"]

Now = Callable[[tzinfo | None], datetime]


def clock(now: Now = datetime.now) -> FunctionTool[..., dict[str, str]]:
    """The tool.

    Args:
        now: gives the time in a zone; None means this machine's.
    """

    def tell(
        timezone: Annotated[
            str | None, "an IANA name such as Asia/Shanghai, Europe/Paris or UTC; this machine's where it is left out"
        ] = None,
    ) -> dict[str, str]:
        time = now(_zone(timezone)) if timezone else now(None).astimezone()
        offset = time.strftime("%z")
        return {
            "date": time.strftime("%Y-%m-%d"),
            "time": time.strftime("%H:%M:%S"),
            "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[time.weekday()],
            "timezone": timezone or time.tzname() or "",
            "utc_offset": f"{offset[:3]}:{offset[3:5]}",
        }

    return FunctionTool(tell, name="clock", description="Tells the current date, time and day of the week.")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: it names a folder of zones
        cities = {zone.rpartition("/")[2].lower(): zone for zone in sorted(available_timezones())}
        near = difflib.get_close_matches(name.rpartition("/")[2].replace(" ", "_").lower(), cities, n=3)
        cure = f"do you mean {' or '.join(cities[city] for city in near)}?" if near else "use an IANA name"
        raise ToolFailed(f"there is no time zone {name[:80]!r}: {cure}") from error
