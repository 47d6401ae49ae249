"""RAK11200: ESP32 WisBlock core; radio by RAK13300 in the IO slot."""
