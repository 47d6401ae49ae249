"""What ports/esp32 has otherwise on an ESP32-S3.

Sources: ESP32-S3 datasheet (GPIO 22 to 25 do not exist; converter 1 on GPIO 1 to 10, 2 on 11 to 20), MicroPython
1.29 ports/esp32.
"""

import bench_port_esp32


class Port(bench_port_esp32.Port):
    """ports/esp32 on an ESP32-S3."""

    MCU_NAME = "ESP32S3"
    PINS = frozenset(list(range(22)) + list(range(26, 49)))
    INPUT_ONLY = frozenset()

    @staticmethod
    def adc_pin(number):
        """Converter input to GPIO."""
        if not 1 <= number <= 20:
            raise ValueError("invalid pin")
        return number
