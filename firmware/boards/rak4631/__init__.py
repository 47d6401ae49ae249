"""RAK4631: nRF52840 with SX1262, WisBlock core; no MicroPython image is published for it."""
