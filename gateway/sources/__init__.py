"""Where uplinks come from: one module a packet forwarder protocol."""
