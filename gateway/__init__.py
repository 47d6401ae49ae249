"""The gateway daemon: takes uplinks from concentrators, stores them durably, relays them in order."""
