"""The server's log: a line for each request, as text or as JSON."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from duihua.server.exchange import Exchange
from duihua.server.failures import Failure
from duihua.server.service import Service

__all__ = ["LoggedLines", "log_exchange", "log_refused", "start_log"]

_log = logging.getLogger("duihua.server.requests")
_notes = logging.getLogger("duihua.server")
_QUIET: Final = ("/health", "/ready", "/metrics")


def start_log(kind: Literal["text", "json"]) -> None:
    """Write what the server logs to stderr."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Json() if kind == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("duihua", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO if name == "duihua" else logging.WARNING)
        logger.propagate = False


def log_exchange(exchange: Exchange, service: Service, route: str) -> None:
    """One line about a request that ended, and its part of the metrics.

    What the caller cannot mend is an error, also where it came within a stream.
    """
    seconds = time.perf_counter() - exchange.started
    service.metrics.replied(route, exchange.status, seconds)
    if service.tracer is not None:
        service.tracer.record(exchange, route)
    if route in _QUIET and exchange.status < 400:
        return
    notes = {"status": exchange.status, "seconds": round(seconds, 4), "request_id": exchange.request_id}
    notes |= exchange.notes
    is_ours = exchange.failure is not None and exchange.failure.status >= 500
    _write(logging.ERROR if is_ours else logging.INFO, exchange.method[:20], route, notes)


def log_refused(service: Service, failure: Failure, request_id: str) -> None:
    """The same about what was refused before it was a request: of no method, path or duration."""
    service.metrics.failed(failure.code or "")
    service.metrics.replied("other", failure.status)
    notes = {"status": failure.status, "request_id": request_id, "error": failure.code}
    _write(logging.INFO, "-", "other", notes)


def _write(level: int, method: str, route: str, notes: Mapping[str, object]) -> None:
    text = " ".join(f"{name}={value}" for name, value in notes.items())
    _log.log(level, "%s %s %s", method, route, text, extra={"notes": {"method": method, "route": route, **notes}})


class LoggedLines(io.StringIO):
    """A stream whose lines become lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = ""

    def write(self, text: str, /) -> int:
        """Log every line that this text completes; empty ones are none."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                _notes.info("%s", line.strip())
        return len(text)


class _Handler(logging.StreamHandler[Any]):
    """Goes without the lines that cannot be written, as on a full disk, and without a trace of each."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        notes = getattr(record, "notes", None)
        row |= notes or {"message": record.getMessage()}
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        try:
            return msgspec.json.encode(row, enc_hook=str).decode()
        except UnicodeEncodeError:  # half characters, such as in the error of a tool
            return json.dumps(row, default=str)
