"""How much a request wants the model to think, as template variables and a limit."""

from __future__ import annotations

from typing import Any, Final

from duihua.chat.protocol import ModelInfo
from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.server.decoding import WrongField
from duihua.server.wire import ChatRequest

__all__ = ["read_thinking"]

# OpenAI's levels. Where a template knows only on and off, a level is so many tokens of thinking: LiteLLM's numbers
# (litellm/constants.py) for models that know a budget; the higher ones have no bound.
_BUDGETS: Final = {
    "none": None, "minimal": 128, "low": 1024, "medium": 2048, "high": None, "xhigh": None, "max": None,
}  # fmt: skip


def read_thinking(request: ChatRequest, info: ModelInfo) -> tuple[dict[str, Any], int | None]:
    """Variables for the template, and tokens of thinking after which the model must answer.

    Args:
        request: what is asked.
        info: of the model: what its template knows of thinking.

    Raises:
        InvalidParameter: no level, or no limit.
        UnsupportedFeature: this model's thinking has no levels.
        WrongField: `chat_template_kwargs` says otherwise.
    """
    variables, budget = dict(request.chat_template_kwargs or {}), request.thinking_token_budget
    if budget is not None and not -1 <= budget < 2**63:
        raise InvalidParameter("thinking_token_budget", budget, "give a whole number from 0, or -1 for no limit")
    effort, limit = request.reasoning_effort, None if budget == -1 else budget
    if effort is None:
        return variables, limit
    if effort not in _BUDGETS:
        raise InvalidParameter("reasoning_effort", effort[:40], f"give one of {', '.join(_BUDGETS)}")
    switch, has_levels = info.thinking_switch, "reasoning_effort" in info.variables
    if switch is None and not has_levels:
        if effort == "none":
            return variables, 0 if limit is None else limit
        raise UnsupportedFeature(
            "reasoning_effort", "this model's template knows no levels of thinking: leave it out, or say 'none'"
        )
    if has_levels:
        _set(variables, "reasoning_effort", effort)
    elif budget is None:
        limit = _BUDGETS[effort]
    if switch is not None:
        _set(variables, switch, effort != "none")
    return variables, limit


def _set(variables: dict[str, Any], name: str, value: object) -> None:
    if variables.setdefault(name, value) != value:
        raise WrongField("reasoning_effort", f"chat_template_kwargs.{name} says otherwise: give one of them")
