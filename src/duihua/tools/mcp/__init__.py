"""Tools of MCP servers (Model Context Protocol), through the `mcp` package, which is imported when one is used."""
