"""`device.LoRaWAN` for MicroPython's asyncio: the same calls, to be awaited.

    lorawan = alone.lorawan(facts, eu868, asynchronous=True)

    async def report():
        await lorawan.join()
        await lorawan.send(1, b"hello")

Other tasks run until 30 ms before each receive window and while it is open. So they must not block for longer than
about 20 ms at a time, or `radio.rx_error_us` has to be raised by as much. Several tasks may call: their exchanges
follow one another. A cancelled call breaks its exchange off.
"""

import asyncio

from . import device


class LoRaWAN(device.LoRaWAN):
    """As `device.LoRaWAN`; `join`, `send` and `receive` are awaited."""

    async def _run(self, steps):
        try:
            while True:
                await asyncio.sleep_ms(next(steps))
        except StopIteration as end:
            return end.value
        finally:
            steps.close()
