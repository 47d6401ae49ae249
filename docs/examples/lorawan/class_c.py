# A lamp on mains: it listens all the time and obeys within seconds.
from machine import Pin

from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan.regions import eu868

lamp = Pin(35, Pin.OUT)
lorawan = alone.lorawan(facts, eu868, class_c=True)
lorawan.join()
lorawan.send(1, b"on", confirmed=True)  # only now the network knows that it may talk
while True:
    downlink = lorawan.receive(600_000)
    if downlink:
        lamp.value(downlink.data == b"on")
        print("lamp", lamp.value())
    lorawan.send(1, b"on" if lamp.value() else b"off")
