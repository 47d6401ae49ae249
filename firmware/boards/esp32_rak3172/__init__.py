"""ESP32 with a RAK3172 module as AT modem."""
