"""Heltec WiFi LoRa 32 V3: ESP32-S3 with SX1262."""
