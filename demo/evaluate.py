"""The figures of the demo: `python -m demo.evaluate [DIR] [--quick] [--dtype float32 bfloat16] [--greedy]`."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from demo.card import card, publish
from demo.examine import Exam, examine
from demo.exams.case import Held
from demo.figures import Figure, figures, table
from demo.lora import adapter_card, read_base_sha256

BUNDLED: Final = Path(__file__).parents[1] / "src/duihua/checkpoint/bundled/demo"
COUNT: Final = 260  # conversations of a skill in each language
QUICK: Final = 6  # conversations of an exam in each language, of which the two shortest are held


def failures(held: Sequence[Held]) -> list[dict[str, object]]:
    """The conversations that went wrong, to be read."""
    return [
        {
            "exam": f"{one.case.skill}: {one.case.exam} ({one.case.lang})",
            "system": one.case.system,
            "tools": [tool["name"] for tool in one.case.tools],
            "turns": [
                [step.user, *reply.calls, reply.answer] for step, reply in zip(one.case.steps, one.replies, strict=True)
            ],
        }
        for one in held
        if not one.right
    ]


def take(
    args: argparse.Namespace,
    hold: Callable[[str], Sequence[Held]],
    figures_of: Callable[[Sequence[Held]], list[Figure]],
    failures_of: Callable[[Sequence[Held]], list[dict[str, object]]],
) -> str:
    """Hold the conversations once for each dtype, and write down those that went wrong; gives the table.

    Args:
        args: the flags of `parsed`.
        hold: gives the conversations, held in a dtype.
        figures_of: their figures.
        failures_of: those that went wrong.
    """
    taken: dict[str, list[Figure]] = {}
    for dtype in args.dtype:
        started = time.monotonic()
        held = hold(dtype)
        taken[dtype] = figures_of(held)
        print(f"{len(held)} conversations, {dtype}, {time.monotonic() - started:.0f} s", flush=True)
        if args.failures:
            rows = [json.dumps(row, ensure_ascii=False) for row in failures_of(held)]
            args.failures.with_suffix(f".{dtype}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return table(taken)


def how(args: argparse.Namespace) -> str:
    """How published figures were taken, for a card."""
    return f"{args.count} conversations of a skill in each language, temperature 0.6, top_p 0.8, plain transformers"


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with the flags of every taking of figures added."""
    parser.add_argument("--count", type=int, default=COUNT, help="conversations of a skill in each language")
    parser.add_argument("--quick", action="store_true", help="few and short conversations, for a CPU")
    parser.add_argument("--dtype", nargs="+", choices=("float32", "bfloat16"), default=["float32"])
    parser.add_argument("--greedy", action="store_true")
    parser.add_argument("--failures", type=Path, help="write wrong conversations here, JSON lines")
    parser.add_argument("--publish", action="store_true", help="write the figures into the card and docs")
    args = parser.parse_args()
    if args.publish and (args.quick or args.greedy):
        parser.error(
            "--publish needs the full figures by the checkpoint's own sampling: leave --quick and --greedy out"
        )
    return args


def main() -> None:
    """Print the table."""
    args = _arguments()
    count = QUICK if args.quick else args.count

    def hold(dtype: str) -> Sequence[Held]:
        exam = Exam(args.folder, count, quick=args.quick, adapter=args.adapter, dtype=dtype, greedy=args.greedy)
        return examine(exam, args.workers)

    text = take(args, hold, figures, failures)
    print(text)
    if args.publish:
        _publish(args, text)


def _publish(args: argparse.Namespace, figures: str) -> None:
    """Into the card beside the weights and into docs/demo.md."""
    if args.adapter:
        (args.adapter / "README.md").write_text(adapter_card(figures, read_base_sha256(args.adapter)), encoding="utf-8")
    else:
        (args.folder / "README.md").write_text(card(figures, how(args)), encoding="utf-8")
    publish("pirate" if args.adapter else "figures", figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=BUNDLED)
    parser.add_argument("--adapter", type=Path, help="a LoRA adapter to put on the checkpoint: its exams are taken")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the device")
    return parsed(parser)


if __name__ == "__main__":
    main()
