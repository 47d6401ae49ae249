"""The bench's own board: an ESP32 with an SX1262 that exists only as a model."""
