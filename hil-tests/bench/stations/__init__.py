"""Stations: the sensors and the radio around one board, and what a correct report of them must say."""

from bench.stations.expected import Sample, agrees
from bench.stations.station import Station

__all__ = ["Sample", "Station", "agrees"]
