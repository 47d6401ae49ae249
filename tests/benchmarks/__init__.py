"""Benchmarks: `make bench`. Each module has `run()`, which yields one dictionary a measurement.

Timings are ratios within one run wherever they are compared; absolute figures name what they ran on.
"""
