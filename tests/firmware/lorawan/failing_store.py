"""A store in which the power fails at a chosen write."""

from firmware.lorawan.memory_store import MemoryStore


class PowerCut(Exception):
    pass


class FailingStore(MemoryStore):
    """Cuts the power at write number `cut` (0: the first): `before` it, `after` it, or with the record only created
    (`empty`), as littlefs leaves a new file.
    """

    def __init__(self, records, cut, how):
        super().__init__(records)
        self.cut = cut
        self.how = how
        self.writes = 0

    def save(self, name, body):
        if self.writes == self.cut:
            self.cut = None
            if self.how == "after":
                super().save(name, body)
            elif self.how == "empty":
                self.records.setdefault(name, b"")
            raise PowerCut
        self.writes += 1
        super().save(name, body)
