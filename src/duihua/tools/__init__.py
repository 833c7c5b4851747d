"""Tools that a model may call: Python functions, what is built in, and MCP servers.

`tool.Tool` is the seam; `toolbox.Toolbox` runs calls within bounds and makes errors results. What changes how a tool
behaves is a wrapper with one behaviour: `approval`, `prefix`, `filter`, `log`.
"""
