"""Talk to an open-weights chat model that you run yourself.

    import duihua

    model = duihua.load("demo")
    reply, history = model.chat("你好")

Nothing heavy is imported before it is used: `import duihua` loads no tensor library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from duihua.api.compose import open_chat
    from duihua.api.load import load
    from duihua.api.model import Model
    from duihua.api.reply import Reply
    from duihua.chat.tool_loop import LoopLimits
    from duihua.engine.settings import EngineSettings
    from duihua.errors import DuihuaError
    from duihua.grammar.grammar import Grammar
    from duihua.image import Image
    from duihua.messages import Message
    from duihua.prompt.window import WindowPolicy
    from duihua.sampling import Sampling
    from duihua.tools.function import tool
    from duihua.tools.toolbox import Toolbox, ToolLimits
    from duihua.vision.read import read_image

__all__ = [
    "DuihuaError",
    "EngineSettings",
    "Grammar",
    "Image",
    "LoopLimits",
    "Message",
    "Model",
    "Reply",
    "Sampling",
    "ToolLimits",
    "Toolbox",
    "WindowPolicy",
    "__version__",
    "load",
    "open_chat",
    "read_image",
    "tool",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "DuihuaError": "duihua.errors",
    "EngineSettings": "duihua.engine.settings",
    "Grammar": "duihua.grammar.grammar",
    "Image": "duihua.image",
    "LoopLimits": "duihua.chat.tool_loop",
    "Message": "duihua.messages",
    "Model": "duihua.api.model",
    "Reply": "duihua.api.reply",
    "Sampling": "duihua.sampling",
    "ToolLimits": "duihua.tools.toolbox",
    "Toolbox": "duihua.tools.toolbox",
    "WindowPolicy": "duihua.prompt.window",
    "load": "duihua.api.load",
    "open_chat": "duihua.api.compose",
    "read_image": "duihua.vision.read",
    "tool": "duihua.tools.function",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'duihua' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
