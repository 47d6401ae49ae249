"""RAK3312: ESP32-S3 with SX1262, WisBlock core."""
