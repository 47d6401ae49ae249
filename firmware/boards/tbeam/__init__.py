"""LilyGO T-Beam v1.x: ESP32 with SX1276 behind a power management chip."""
