"""Sensor chips: one file each. The bus is handed in, nothing happens before `start()`, readings are integers."""
