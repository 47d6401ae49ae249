# ABP: no join. The server has to know the same keys, and must not reset its counters.
import time

from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan import identity
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import FileStore

store = FileStore()
keys = "101112131415161718191a1b1c1d1e1f", "303132333435363738393a3b3c3d3e3f"
identity.abp(store, "70b3d57ed0000001", "01020304", *keys)
lorawan = alone.lorawan(facts, eu868, store)
while True:
    lorawan.send(1, b"hello")
    print("sent", lorawan.state()["fcnt_up"])
    time.sleep(600)
