"""A tool whose calls are written to the log."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from duihua.errors import ToolError
from duihua.tools.tool import Tool, ToolOutput
from duihua.tools.wrapper import Wrapper

__all__ = ["Logged"]

_LONGEST = 500  # characters of arguments


class Logged(Wrapper):
    """The same tool; each call is logged when it has ended.

    Level INFO says the name, the time and the size; DEBUG the arguments too, which are a user's business.
    """

    def __init__(self, tool: Tool, log: logging.Logger | None = None) -> None:
        super().__init__(tool)
        self._log = log or logging.getLogger("duihua.tools")

    async def call(self, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call the tool, and note what came of it."""
        began = time.monotonic()
        if self._log.isEnabledFor(logging.DEBUG):
            shown = json.dumps(dict(arguments), ensure_ascii=False, default=repr)
            self._log.debug("%s is called with %s", self.name, shown[:_LONGEST])
        came = "was cancelled"
        try:
            output = await self._tool.call(arguments)
            came = f"gave {len(output.content):,} characters, {len(output.images)} pictures"
        except ToolError as error:
            came = f"came to nothing: {type(error).__name__}"
            raise
        finally:
            self._log.info("%s %s after %.3f s", self.name, came, time.monotonic() - began)
        return output
