"""A store without flash, for tests and trials. Not deployed to nodes."""

from .store import pack_identity, pack_record, unpack_record


class MemoryStore:
    """The same calls as `FileStore`; `records` maps names to framed bytes and may be kept across a simulated reset."""

    def __init__(self, records=None):
        self.records = {} if records is None else records

    @classmethod
    def provisioned(cls, dev_eui, join_eui, app_key):
        """A store that holds only an identity."""
        return cls({"identity": pack_identity(dev_eui, join_eui, app_key)})

    def load(self, name):
        """The body of record `name`, or None."""
        framed = self.records.get(name)
        return None if framed is None else unpack_record(name, framed)

    def save(self, name, body):
        """Keep record `name`."""
        self.records[name] = pack_record(body)
