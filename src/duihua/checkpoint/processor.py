"""A checkpoint's own image processor, for what it does with a picture of a given size."""

from __future__ import annotations

import logging
from typing import Any

from duihua.checkpoint.checkpoint import Checkpoint

__all__ = ["load_image_processor"]

_log = logging.getLogger(__name__)


def load_image_processor(checkpoint: Checkpoint) -> Any | None:
    """Transformers' image processor of a checkpoint, over Pillow, which needs no torchvision.

    Python code of the checkpoint's own is not run: what an engine makes of a picture must be known before it runs.

    Returns:
        A processor that tells how it cuts pictures (`get_number_of_image_patches`, `merge_size`); None where the
        checkpoint ships none, or one that does not tell. The log says why.
    """
    from transformers import AutoImageProcessor

    try:
        processor: Any = AutoImageProcessor.from_pretrained(
            checkpoint.path, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, TypeError, AttributeError) as error:
        _log.warning("%s has no image processor that can be used, so it sees no pictures: %s", checkpoint.path, error)
        return None
    if not hasattr(processor, "get_number_of_image_patches") or not hasattr(processor, "merge_size"):
        _log.warning("%s has an image processor that does not tell what a picture costs", checkpoint.path)
        return None
    return processor
