"""The browser page: the conversation in a browser, for several visitors at once."""
