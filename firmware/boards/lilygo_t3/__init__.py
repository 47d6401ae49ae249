"""LilyGO T3 v1.6.1: ESP32 with SX1276."""
