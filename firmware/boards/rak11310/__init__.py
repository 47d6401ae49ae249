"""RAK11310: RP2040 with SX1262, WisBlock core."""
