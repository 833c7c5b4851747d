"""What vLLM's workers on a CPU load beside their own: one of its functions as it was before `torch.compile`.

vLLM counts the rank of each token that log-probabilities are told of in a function that is compiled to C++ when it is
first called (vllm/v1/sample/ops/logprobs.py, 0.26 to 0.33), `--eager` or not: the first request with log-probabilities
stood still for seconds, all others with it, and where there is no compiler it was the engine's end. On a CPU the plain
function is as fast.
"""

from __future__ import annotations

import inspect

from vllm.v1.sample import sampler

__all__ = ["Uncompiled"]

_NAME = "batched_count_greater_than"


class Uncompiled:
    """Adds nothing to the worker: naming it as `worker_extension_cls` loads this module there."""


if callable(compiled := getattr(sampler, _NAME, None)):
    setattr(sampler, _NAME, inspect.unwrap(compiled))
