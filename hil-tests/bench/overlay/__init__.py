"""Device code of the bench: what stands in for `machine`, `time` and their friends on a virtual board.

Runs on MicroPython only (except `bench_ops`, which the supervisor reads too). Loaded by the prelude
`bench_boot` before the flash image becomes the root directory.
"""
