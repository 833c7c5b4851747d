"""The gauges that our server tells Prometheus, read over a connection that stays open."""

from __future__ import annotations

import http.client
import time
from types import TracebackType
from typing import Final, Self

__all__ = ["Gauges"]

_PREFIX: Final = "duihua_"


class Gauges:
    """`duihua_running_requests` and its kind, by their names without the prefix."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = headers or {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def read(self) -> dict[str, int]:
        """What it tells now; histograms and counters with labels left out."""
        try:
            text = self._get()
        except (http.client.RemoteDisconnected, ConnectionError):  # it had been idle for too long
            self._connection.close()
            text = self._get()
        rows = (line.split(" ") for line in text.splitlines() if line.startswith(_PREFIX) and "{" not in line)
        return {row[0].removeprefix(_PREFIX): int(row[1]) for row in rows if row[1].isdecimal()}

    def _get(self) -> str:
        self._connection.request("GET", "/metrics", headers=self._headers)
        return self._connection.getresponse().read().decode()

    def wait_for(self, values: dict[str, int], patience_s: float) -> float:
        """Until gauges have these values.

        Returns:
            The time (`time.perf_counter`) right after they were told.

        Raises:
            SystemExit: they did not come to it.
        """
        until = time.perf_counter() + patience_s
        while True:
            told = self.read()
            now = time.perf_counter()
            if all(told[name] == value for name, value in values.items()):
                return now
            if now > until:
                found = {name: told[name] for name in values}
                raise SystemExit(f"after {patience_s:g} s the server still tells {found}, not {values}")
