# Join once, then report every ten minutes; the identity is stored at the first run.
import time

from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan import identity
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import FileStore

identity.otaa(FileStore(), "70b3d57ed0000001", "70b3d57ed00000ff", "000102030405060708090a0b0c0d0e0f")
lorawan = alone.lorawan(facts, eu868)
lorawan.join()
while True:
    lorawan.send(1, b"hello")
    downlink = lorawan.receive()
    print("sent", "heard %d: %s" % (downlink.port, downlink.data) if downlink else lorawan.state()["fcnt_up"])
    time.sleep(600)
