"""Pictures for vLLM: decoded, and cut up by its processor, beside the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from duihua.engine.pictured import stretched
from duihua.errors import InvalidImage, InvalidParameter
from duihua.image import Image
from duihua.request import GenerationRequest
from duihua.vision.pixels import decode

if TYPE_CHECKING:
    from vllm import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM

__all__ = ["Renderer", "max_images"]

Generate = Callable[[Any], "AsyncGenerator[RequestOutput]"]

_log = logging.getLogger(__name__)
_DECODERS: Final = 2  # threads


def max_images(llm: AsyncLLM) -> int:
    """Pictures that one prompt may have: as many as were asked for, or fewer where the model takes fewer."""
    processor = llm.renderer.mm_processor
    return 0 if processor is None else int(processor.info.allowed_mm_limits.get("image", 0))


class Renderer:
    """Makes prompts with pictures ready for vLLM's engine.

    vLLM's processor runs in our process, in a thread of its own, and remembers by its checksum what it has cut up:
    later requests with a picture carry no pixels of it. So vLLM's engine must get every prompt that was made ready,
    wanted or not.
    """

    def __init__(self, llm: AsyncLLM) -> None:
        """Prepare; the engine must have been started for pictures."""
        self._llm = llm
        self._decoders = ThreadPoolExecutor(_DECODERS, "duihua-pictures")
        self._deliveries: set[asyncio.Task[None]] = set()

    async def outputs(self, request: GenerationRequest, generate: Generate) -> AsyncGenerator[RequestOutput]:
        """What vLLM answers to a prompt with pictures.

        Args:
            request: a checked one.
            generate: asks vLLM, given the prompt as its engine takes it.

        Raises:
            InvalidImage: vLLM's processor does not take a picture.
            InvalidParameter: a picture has another number of tokens than the request says.
        """
        rendering = asyncio.ensure_future(self._render(request))
        try:
            prompt = await asyncio.shield(rendering)
            _check_places(request, prompt)
            outputs = generate(prompt)
            first = await anext(outputs)
        except BaseException:
            rendering.add_done_callback(self._deliver)
            raise
        async with aclosing(outputs):
            yield first
            async for output in outputs:
                yield output

    def close(self) -> None:
        """Let the threads go."""
        self._decoders.shutdown(wait=False)

    async def _render(self, request: GenerationRequest) -> Any:
        from vllm.inputs import TokensPrompt

        images = [placed.image for placed in request.images]
        loop = asyncio.get_running_loop()
        pixels = [await loop.run_in_executor(self._decoders, decode, image) for image in images]
        prompt = TokensPrompt(
            prompt_token_ids=list(request.token_ids),
            multi_modal_data={"image": pixels},
            multi_modal_uuids={"image": [image.sha256 for image in images]},
        )
        if request.cache_salt:
            prompt["cache_salt"] = request.cache_salt
        try:
            (rendered,) = await self._llm.renderer.render_cmpl_async([prompt])
        except ValueError as error:
            raise _refusal(images, error) from error
        return rendered

    def _deliver(self, rendering: asyncio.Future[Any]) -> None:
        """Have vLLM's engine hear of a prompt that nobody waits for."""
        if rendering.cancelled() or rendering.exception() is not None:
            return
        task = asyncio.ensure_future(self._send(rendering.result()))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _send(self, prompt: Any) -> None:
        from vllm import SamplingParams

        try:
            name = f"unwanted-{id(prompt)}"
            await self._llm.add_request(name, prompt, SamplingParams(max_tokens=1, detokenize=False))
            await self._llm.abort(name)
        except Exception:  # noqa: BLE001  the engine is dying or closed, and what it remembers goes with it
            _log.debug("vLLM did not take an unwanted prompt", exc_info=True)


def _check_places(request: GenerationRequest, prompt: Any) -> None:
    """Refuse a prompt that vLLM has made longer or shorter than it was counted."""
    found = [(place.offset, place.offset + place.length) for place in prompt["mm_placeholders"]["image"]]
    for placed, (start, stop), (first, end) in zip(request.images, stretched(request.images), found, strict=True):
        if (start, stop) != (first, end):
            name = placed.image.name or "a picture"
            raise InvalidParameter("images", f"{placed.tokens} tokens", f"{name} has {end - first} in this model")


def _refusal(images: list[Image], error: Exception) -> InvalidImage:
    cause = error.__cause__ or error
    said = next(iter(str(cause).strip().splitlines()), "") or type(cause).__name__
    sizes = ", ".join(f"{image.width} x {image.height}" for image in images)
    name = images[0].name if len(images) == 1 else ""
    return InvalidImage(f"the model takes no picture of {sizes} pixels ({said}): crop it", why="shape", name=name)
