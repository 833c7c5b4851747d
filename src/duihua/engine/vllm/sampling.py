"""Between our words and vLLM's: how a token is chosen, and what comes back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from duihua.errors import InvalidParameter, UnsupportedFeature
from duihua.events import Chunk, EngineFinish, TokenLogprobs
from duihua.sampling import Decoding

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams

__all__ = ["MOST_BIASES", "chunk_of", "sampling_params"]

_HOTTEST: Final = 2.0  # vllm/sampling_params.py, `_verify_args`
_NO_SEED: Final = -1  # what vLLM takes for "none"
# Of one request on a GPU: vLLM's engine dies of more (vllm/v1/worker/gpu/sample/logit_bias.py).
MOST_BIASES: Final = 1024
_SIGNED: Final = 2**63  # on a GPU its engine dies of a seed from here on (vllm/v1/worker/gpu/sample/states.py, int64)


def sampling_params(
    decoding: Decoding, max_tokens: int, rules: str | None = None, forbidden: Collection[int] = ()
) -> SamplingParams:
    """What vLLM is told: token ids in small portions, no text, and only the stop tokens named.

    Args:
        decoding: how to choose.
        max_tokens: what there is room for.
        rules: of the grammar that the answer is held to, see `engine.ebnf`.
        forbidden: control tokens, which such an answer has none of.

    Raises:
        InvalidParameter: a value that vLLM does not take.
        UnsupportedFeature: `min_tokens` beside a grammar.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    if decoding.temperature > _HOTTEST:
        raise InvalidParameter("temperature", decoding.temperature, "on vLLM give 0 to 2")
    if rules is not None and decoding.min_tokens:
        # It forbids the stop tokens even where nothing else may come.
        raise UnsupportedFeature("min_tokens", "on vLLM it cannot be joined with an answer in a given form")
    params = SamplingParams(
        max_tokens=max_tokens,
        min_tokens=min(decoding.min_tokens, max_tokens),
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        min_p=decoding.min_p,
        presence_penalty=decoding.presence_penalty,
        frequency_penalty=decoding.frequency_penalty,
        repetition_penalty=decoding.repetition_penalty,
        logit_bias=dict(decoding.logit_bias) or None,
        stop_token_ids=list(decoding.stop_token_ids),
        ignore_eos=True,  # the stop tokens are complete
        seed=_seed(decoding.seed),
        logprobs=decoding.logprobs,
        prompt_logprobs=decoding.prompt_logprobs,
        structured_outputs=None if rules is None else StructuredOutputsParams(grammar=rules),
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,  # nobody else has these
    )
    if rules is not None:
        _hold(params, sorted(set(forbidden).difference(decoding.stop_token_ids)))
    return params


def _hold(params: Any, forbidden: Sequence[int]) -> None:
    """What a grammar needs beside its rules.

    Tokens are forbidden by a bias, which costs nothing; vLLM goes through forbidden words one by one. Of more control
    tokens than it takes biases (some vocabularies have thousands that are not used) the last ones stay allowed.
    """
    if hasattr(params, "_all_stop_token_ids"):
        params._all_stop_token_ids = _Closed(params.stop_token_ids)
    own = params.logit_bias or {}
    never = dict.fromkeys(forbidden[: max(0, MOST_BIASES - len(own))], float("-inf"))
    params.logit_bias = {**own, **never} or None


class _Closed(set[int]):
    """Stop tokens to which vLLM cannot add its tokenizer's own: a grammar would end there and the answer go on."""

    def add(self, element: int, /) -> None:
        """Nothing."""

    def update(self, *others: Iterable[int]) -> None:
        """Nothing."""


def _seed(seed: int | None) -> int | None:
    """The same 64 bits with a sign; where that is what vLLM takes for "none", another of the same lower bits."""
    if seed is None:
        return None
    signed = seed if seed < _SIGNED else seed - 2 * _SIGNED
    return _SIGNED - 1 if signed == _NO_SEED else signed


def chunk_of(output: RequestOutput, decoding: Decoding, *, is_first: bool) -> Chunk | None:
    """What an output of vLLM says; None where it ends in no way of ours (aborted)."""
    answer = output.outputs[0]
    reason: Any = answer.finish_reason
    if reason not in (None, "stop", "length"):
        return None
    finish: EngineFinish | None = reason
    token_ids = tuple(answer.token_ids)
    logprobs: Any = answer.logprobs
    prompt: Any = output.prompt_logprobs if is_first and decoding.prompt_logprobs is not None else None
    return Chunk(
        token_ids=token_ids,
        logprobs=_logprobs(token_ids, logprobs, decoding.logprobs) if decoding.logprobs is not None else None,
        cached_tokens=(output.num_cached_tokens or 0) if is_first else None,
        prompt_logprobs=None if prompt is None else _of_prompt(output.prompt_token_ids or (), prompt, decoding),
        finish_reason=finish,
    )


def _of_prompt(
    token_ids: Sequence[int], entries: Sequence[Mapping[int, Any] | None], decoding: Decoding
) -> tuple[TokenLogprobs | None, ...]:
    return (None, *_logprobs(token_ids[1:], entries[1:], decoding.prompt_logprobs or 0))


def _logprobs(token_ids: Sequence[int], entries: Sequence[Any], alternatives: int) -> tuple[TokenLogprobs, ...]:
    """Each token's own, and the likeliest ones; vLLM's entries hold both under their ids."""
    return tuple(
        TokenLogprobs(token, entry[token].logprob, _top(entry, alternatives))
        for token, entry in zip(token_ids, entries, strict=True)
    )


def _top(entry: Mapping[int, Any], alternatives: int) -> tuple[tuple[int, float], ...]:
    likeliest = sorted(((i, one.logprob) for i, one in entry.items()), key=lambda pair: -pair[1])
    return tuple(likeliest[:alternatives])
