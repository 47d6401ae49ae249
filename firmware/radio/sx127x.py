"""SX1276, SX1277, SX1278, SX1279 over SPI: LoRa as LoRaWAN needs it (Semtech data sheet DS_SX1276-7-8-9, Rev. 7).

In work: the same port as `sx126x.py` (`port.py`), the same windows (`windows.py`), one chip family.
"""
