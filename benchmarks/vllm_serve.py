"""`vllm serve` without the `vllm` script: that one looks for a distribution named vllm, and vLLM for CPUs has another.

`python benchmarks/vllm_serve.py MODEL [FLAG...]`.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> None:
    """As vllm/entrypoints/cli/main.py does it, 0.26 to 0.33."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser()
    command = ServeSubcommand()
    command.subparser_init(parser.add_subparsers(required=True, dest="subparser"))
    parsed = parser.parse_args(["serve", *arguments])
    assert parsed is not None
    command.validate(parsed)
    command.cmd(parsed)


if __name__ == "__main__":
    main(sys.argv[1:])
