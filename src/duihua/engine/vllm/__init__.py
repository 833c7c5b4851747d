"""The engine over vLLM: `AsyncLLM` of the installed vLLM, 0.26 to 0.33, its processes tied to ours.

`options` turns settings into vLLM's arguments and reads back what became of them, `processes` starts its processes with
their output in a log and ends them with ours, `failures` says what a failed start means, `startup` how far it is,
`uncompiled` goes into vLLM's workers.
"""
