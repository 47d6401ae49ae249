# A lamp blinks while the radio waits for its windows.
import asyncio

from machine import Pin

from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan.regions import eu868


async def blink(pin):
    while True:
        pin.value(not pin.value())
        await asyncio.sleep_ms(100)


async def report(lorawan):
    await lorawan.join()
    while True:
        print("acknowledged" if await lorawan.send(1, b"hello", confirmed=True) else "unheard")
        await asyncio.sleep(600)


async def main():
    lorawan = alone.lorawan(facts, eu868, asynchronous=True)
    await asyncio.gather(blink(Pin(35, Pin.OUT)), report(lorawan))


asyncio.run(main())
