"""Where uplinks go: one module a kind of network server."""
