"""The bench's network server: stands in for ChirpStack v4 towards gateways, applications and operators.

A bench instrument, not a product: production is ChirpStack. It keeps everything in memory and knows one
region, but what a gateway, a node or a provisioning tool can notice of ChirpStack (topics, messages, counter
rules, de-duplication, joins, event time, downlink acknowledgements, the quirks of the gRPC API) it does alike.

`core.NetworkServer` is the pure core: frames and the time go in, frames and events come out. `mqtt` and
`grpc_api` are shells that only move messages. Nothing here imports `firmware.lorawan`: node and server check
each other.
"""
