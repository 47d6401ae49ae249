"""The bench: virtual boards, chip models, virtual air, a stand-in network server and the demo.

A bench instrument, not a product. Nothing outside the tests imports it; production is real boards,
a real concentrator and ChirpStack.
"""
