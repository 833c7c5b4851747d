"""The flags of the fronts that listen: `duihua serve` and `duihua web`."""

from __future__ import annotations

from typing import Final

from duihua.cli.flag import Flag

__all__ = ["FRONT_FLAGS"]

FRONT_FLAGS: Final = (
    Flag("serve.host", "Address to listen at.", "监听的地址。", metavar="HOST"),
    Flag("serve.port", "Port to listen at; 0 for any that is free.", "监听的端口；0 为任意空闲端口。", metavar="N"),
    Flag("serve.served_name", "What requests call the model.", "请求中使用的模型名。", metavar="NAME"),
    Flag(
        "serve.api_key_file",
        "A file of keys, one a line; every path but /health then needs one.",
        "密钥文件，每行一个；此后除 /health 外都须带密钥。",
        metavar="FILE",
    ),
    Flag(
        "serve.api_keys",
        "A key, for all to see who list this machine's processes; may be given several times.",
        "密钥；能列出本机进程的人都看得到。可写多次。",
        names=("--api-key",),
        kind=list[str],
        metavar="KEY",
    ),
    Flag(
        "serve.admin_key_file",
        "A file of keys for loading and unloading adapters.",
        "用于加载和卸载适配器的密钥文件。",
        metavar="FILE",
    ),
    Flag(
        "serve.insecure",
        "Listen beyond this machine without keys.",
        "允许不设密钥就向本机之外开放。",
    ),
    Flag(
        "serve.allowed_hosts",
        "Answer to this Host header; may be given several times.",
        "接受这个 Host 头；可写多次。",
        names=("--allowed-host",),
        kind=list[str],
        metavar="NAME",
    ),
    Flag(
        "serve.allowed_origins",
        "Let web pages of this origin ask (CORS); may be given several times.",
        "允许此来源的网页访问（CORS）；可写多次。",
        names=("--allowed-origin",),
        kind=list[str],
        metavar="ORIGIN",
    ),
    Flag("serve.tls_cert", "Certificate for TLS, PEM.", "TLS 证书（PEM）。", metavar="FILE"),
    Flag("serve.tls_key", "Its key, PEM.", "证书的私钥（PEM）。", metavar="FILE"),
    Flag(
        "serve.adapter_dir",
        "Adapters right below this directory may be loaded while running, with an admin key.",
        "凭管理密钥，可在运行中加载此目录下的适配器。",
        metavar="DIR",
    ),
    Flag(
        "serve.serve_tools",
        "Run the tools that are named, for requests that bring none of their own: those that need not be asked about.",
        "由本服务运行所列工具（仅限无须询问的），用于未自带工具的请求。",
    ),
    Flag(
        "serve.lenient",
        "Leave out unknown fields of a request instead of refusing it; a header names them.",
        "忽略请求中的未知字段而不拒绝；响应头会列出它们。",
    ),
    Flag(
        "serve.overflow",
        "When a conversation outgrows the context window and the request does not say.",
        "对话超出上下文窗口而请求未说明时怎么办。",
    ),
    Flag("serve.max_body_bytes", "Largest request body.", "请求体的最大字节数。", metavar="N"),
    Flag("serve.max_header_bytes", "Largest request head.", "请求头的最大字节数。", metavar="N"),
    Flag("serve.max_messages", "Most messages of a request.", "一个请求的最多消息数。", metavar="N"),
    Flag("serve.max_choices", "Largest n and best_of.", "n 与 best_of 的最大值。", metavar="N"),
    Flag("serve.max_stop", "Most stop strings.", "最多的停止字符串数。", metavar="N"),
    Flag("serve.max_tools", "Most tools of a request.", "一个请求的最多工具数。", metavar="N"),
    Flag("serve.max_logprobs", "Most alternatives per token.", "每个 token 最多的候选数。", metavar="N"),
    Flag("serve.max_request_images", "Most pictures of a request.", "一个请求的最多图片数。", metavar="N"),
    Flag("serve.max_image_bytes", "Largest file of a picture.", "图片文件的最大字节数。", metavar="N"),
    Flag("serve.max_image_pixels", "Most pixels of a picture.", "一张图片的最多像素数。", metavar="N"),
    Flag("serve.image_seconds", "How long fetching a picture may take.", "抓取一张图片的最长时间。", metavar="S"),
    Flag(
        "serve.allow_image_urls",
        "Fetch pictures that requests name by URL, from public hosts.",
        "按请求给出的网址抓取图片（仅限公网主机）。",
    ),
    Flag(
        "serve.image_domains",
        "Of public hosts, fetch pictures from this one only (*.example.org: all below it); may be given several times.",
        "公网主机中只从这个主机抓取图片（*.example.org 表示其下所有主机）；可写多次。",
        names=("--image-domain",),
        kind=list[str],
        metavar="HOST",
    ),
    Flag(
        "serve.max_waiting",
        "Requests that may wait for their first token; further ones are refused (429).",
        "可等待首个 token 的请求数；超出则拒绝（429）。",
        metavar="N",
    ),
    Flag("serve.deadline_seconds", "Longest a request may take.", "单个请求的最长时间。", metavar="S"),
    Flag("serve.keep_alive_seconds", "How long a silent connection is kept.", "空闲连接的保留时间。", metavar="S"),
    Flag(
        "serve.ping_seconds",
        "A stream without a token for so long gets a comment; 0 for never.",
        "流在这么久没有 token 时发一条注释；0 为从不。",
        metavar="S",
    ),
    Flag(
        "serve.drain_seconds",
        "How long running answers may go on after SIGTERM.",
        "收到 SIGTERM 后，正在进行的回答最多再持续多久。",
        metavar="S",
    ),
    Flag(
        "serve.restart_engine",
        "Deaths of the engine in a row after which it is given up.",
        "引擎连续崩溃多少次后放弃重启。",
        metavar="N",
    ),
    Flag("serve.log_format", "Log lines as text or as JSON.", "日志写成文本或 JSON。"),
    Flag("serve.log_prompts", "Write what is asked into the log.", "把请求内容写入日志。"),
    Flag(
        "serve.trace_endpoint",
        "Send OpenTelemetry traces there, OTLP over HTTP.",
        "把 OpenTelemetry 跟踪发送到这里（OTLP/HTTP）。",
        metavar="URL",
    ),
    Flag("web.host", "Address to listen at.", "监听的地址。", metavar="HOST"),
    Flag("web.port", "Port to listen at; 0 for any that is free.", "监听的端口；0 为任意空闲端口。", metavar="N"),
    Flag("web.title", "Title of the page; else the model's name.", "页面标题；不写则为模型名。", metavar="TEXT"),
    Flag(
        "web.insecure",
        "Listen beyond this machine, where anybody may talk to the model.",
        "允许向本机之外开放，任何人都能与模型对话。",
    ),
)
