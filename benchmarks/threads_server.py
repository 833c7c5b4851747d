"""What demo servers do with pictures: a thread per request, Transformers' own processor, `generate`, a streamer.

`python benchmarks/threads_server.py MODEL [--dtype D] [--device D] [--threads N] --host H --port P`; chat completions,
streamed or whole, decoded greedily to the last token. Nothing is checked: it only hears our own load.
"""

from __future__ import annotations

import argparse
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, TextIteratorStreamer


class Model:
    """A model that answers in the thread that asks."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        self._processor: Any = AutoProcessor.from_pretrained(arguments.model, local_files_only=True)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            arguments.model, dtype=getattr(torch, arguments.dtype), local_files_only=True
        )
        self._model = model.to(arguments.device).eval()
        self._model.generation_config.eos_token_id = None  # to the last token, as the others do

    def answer(self, messages: list[dict[str, Any]], tokens: int) -> Iterator[str | dict[str, int]]:
        """The text as it comes, then the usage."""
        inputs = self._processor.apply_chat_template(
            [{**message, "content": _parts(message["content"])} for message in messages],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device, self._model.dtype)
        streamer = TextIteratorStreamer(self._processor.tokenizer, skip_prompt=True)
        made: list[Any] = []
        options = {**inputs, "max_new_tokens": tokens, "do_sample": False, "streamer": streamer}
        thread = threading.Thread(target=lambda: made.append(self._model.generate(**options)))
        thread.start()
        yield from streamer
        thread.join()
        prompt: int = inputs["input_ids"].shape[1]
        yield {"prompt_tokens": prompt, "completion_tokens": made[0].shape[1] - prompt}


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message's content with its pictures decoded."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_picture(part["image_url"]["url"]) if part["type"] == "image_url" else part for part in content]


def _picture(url: str) -> dict[str, Any]:
    file = BytesIO(b64decode(url.partition(",")[2]))
    return {"type": "image", "image": Image.open(file).convert("RGB")}


class Handler(BaseHTTPRequestHandler):
    """One request; the model hangs on the class."""

    model: Model

    def do_GET(self) -> None:
        """It is ready as soon as it listens."""
        self._begin("text/plain")

    def do_POST(self) -> None:
        """A chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pieces = self.model.answer(body["messages"], body["max_tokens"])
        if body.get("stream"):
            self._stream(pieces)
        else:
            *texts, usage = pieces
            self._begin("application/json")
            choice = {"message": {"content": "".join(map(str, texts))}}
            self.wfile.write(json.dumps({"choices": [choice], "usage": usage}).encode())

    def _stream(self, pieces: Iterator[str | dict[str, int]]) -> None:
        self._begin("text/event-stream")
        for piece in pieces:
            is_text = isinstance(piece, str)
            said = {"choices": [{"delta": {"content": piece}}]} if is_text else {"choices": [], "usage": piece}
            self.wfile.write(f"data: {json.dumps(said)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of each."""


class Listener(ThreadingHTTPServer):
    """With a queue that holds a burst."""

    request_queue_size = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="of torch; left out: as many as it takes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    Handler.model = Model(arguments)
    Listener((arguments.host, arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
