"""How each format's templates write an answer with calls: of our own writing, in the published shape."""

from __future__ import annotations

from typing import Final

__all__ = ["WRITTEN"]

_CALLS: Final = "{% for call in calls %}"
WRITTEN: Final = {
    "glm4": "{% if content %}\n{{ content }}{% endif %}" + _CALLS + "<|assistant|>{{ call.name }}\n"
    "{{ call.arguments | tojson }}{% endfor %}",
    "glm45": "{% if content %}\n{{ content }}{% endif %}" + _CALLS + "\n<tool_call>{{ call.name }}\n"
    "{% for key, value in call.arguments.items() %}<arg_key>{{ key }}</arg_key>\n"
    "<arg_value>{{ value if value is string else value | tojson }}</arg_value>\n{% endfor %}</tool_call>{% endfor %}",
    "hermes": "{{ content }}" + _CALLS + "{{ '\n' if content or not loop.first }}<tool_call>\n"
    '{"name": "{{ call.name }}", "arguments": {{ call.arguments | tojson }}}\n</tool_call>{% endfor %}',
    "qwen-coder": "{{ content }}" + _CALLS + "\n<tool_call>\n<function={{ call.name }}>\n"
    "{% for key, value in call.arguments.items() %}<parameter={{ key }}>\n"
    "{{ value if value is string else value | tojson }}\n</parameter>\n{% endfor %}</function>\n</tool_call>{% endfor %}",
    "llama": "{% if calls %}{% for call in calls %}{{ '; ' if not loop.first }}"
    '{"name": "{{ call.name }}", "parameters": {{ call.arguments | tojson }}}{% endfor %}{% else %}{{ content }}{% endif %}',
    "react": "{% if calls %}Thought: {{ content }}\nAction: {{ calls[0].name }}\nAction Input: {{ calls[0].arguments | tojson }}"
    "\nObservation:{% else %}{{ content }}{% endif %}",
}
"""By the format's name. They read `content` and `calls`, each with a name and arguments."""
