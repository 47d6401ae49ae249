"""Fragmented data block transport, TS004-1.0.0: a block in more fragments than it needs, so that some may be lost.

Fragments 1 to NbFrag are the block itself, the following ones XORs of about half of them. Each received fragment is an
equation over GF(2); when there are as many independent ones as unknowns, the block is complete.

Memory is bounded by one bit a fragment and at most `max_lost` equations. Where the fragments themselves lie is the
shelf's business: in memory here, in flash on a node (`firmware.node.shelf`).

What the package leaves open is agreed here: FragSessionSetupReq's Descriptor is the CRC-32 of the block without its
padding, little-endian; 0: there is none.
"""

PORT = 201
_IDENTIFIER = 3
_VERSION = 1

_PACKAGE_VERSION = 0x00
_STATUS = 0x01
_SETUP = 0x02
_DELETE = 0x03
_DATA = 0x08
_REQUEST_BYTES = {_PACKAGE_VERSION: 0, _STATUS: 1, _SETUP: 10, _DELETE: 1}

_ENCODING_UNSUPPORTED = 0x01  # FragSessionSetupAns, as the following
_NOT_ENOUGH_MEMORY = 0x02
_NO_SUCH_SESSION = 0x04  # FragSessionDeleteAns
_NO_MATRIX_MEMORY = 0x01  # FragSessionStatusAns
_N_MASK = 0x3FFF


def parity_mask(n, fragments):
    """Which of `fragments` fragments are XORed in parity fragment `n` (from 1): bit i for fragment i + 1."""
    spread = fragments + 1 if fragments & (fragments - 1) == 0 else fragments
    state = 1 + 1001 * n
    mask = 0
    for _ in range(fragments // 2):
        index = fragments
        while index >= fragments:  # PRBS23: x^23 + x^5 + 1
            state = state >> 1 | ((state ^ state >> 5) & 1) << 22
            index = state % spread
        mask |= 1 << index
    return mask


class Shelf:
    """Keeps the fragments of one block, `size` bytes each, in memory."""

    def __init__(self, fragments, size):
        self._size = size
        self._data = bytearray(fragments * size)

    def put(self, index, fragment):
        """Keep fragment `index`, from 0; each is put once."""
        at = index * self._size
        self._data[at : at + self._size] = fragment

    def get(self, index):
        """Fragment `index` again."""
        at = index * self._size
        return memoryview(self._data)[at : at + self._size]

    def data(self, length):
        """The first `length` bytes of the whole; a view."""
        return memoryview(self._data)[:length]


class Block:
    """One block being put together: `fragments` of `size` bytes each, the last `padding` bytes of which do not count.

    `shelf`: where they are kept, a `Shelf` or the like; `descriptor`: as the setup said.
    """

    def __init__(self, fragments, size, padding, max_lost, shelf=None, descriptor=0):
        self.fragments = fragments
        self.size = size
        self.length = fragments * size - padding
        self.descriptor = descriptor
        self.received = 0
        self.out_of_memory = False
        self.shelf = shelf or Shelf(fragments, size)
        self._max_lost = max_lost
        self._missing = (1 << fragments) - 1
        self._equations = {}  # lowest unknown -> [mask of unknowns, XOR of their data]

    @property
    def complete(self):
        """Whether all of the block is known."""
        return not self._missing

    @property
    def missing(self):
        """How many more independent fragments are needed."""
        count = 0
        mask = self._missing
        while mask:
            mask &= mask - 1
            count += 1
        return count - len(self._equations)

    def data(self):
        """The block without its padding, as its shelf gives it."""
        return self.shelf.data(self.length)

    def add(self, n, payload):
        """Take fragment `n` (from 1)."""
        self.received += 1
        if self.complete or n < 1 or len(payload) != self.size:
            return
        mask = 1 << (n - 1) if n <= self.fragments else parity_mask(n - self.fragments, self.fragments)
        payload = bytearray(payload)
        known = mask & ~self._missing
        mask &= self._missing
        while known:
            index = _lowest(known)
            known &= known - 1
            _xor(payload, self.shelf.get(index))
        for pivot, equation in self._equations.items():
            if mask >> pivot & 1:
                mask ^= equation[0]
                _xor(payload, equation[1])
        if not mask:
            return
        if mask & (mask - 1) and len(self._equations) >= self._max_lost:
            self.out_of_memory = True
            return
        pivot = _lowest(mask)
        for equation in self._equations.values():
            if equation[0] >> pivot & 1:
                equation[0] ^= mask
                _xor(equation[1], payload)
        self._equations[pivot] = [mask, payload]
        self._settle()

    def _settle(self):
        """Equations with one unknown left are fragments."""
        for pivot in list(self._equations):
            mask, payload = self._equations[pivot]
            if not mask & (mask - 1):
                self.shelf.put(pivot, payload)
                del self._equations[pivot]
                self._missing &= ~mask


class Fragmentation:
    """Sessions by index 0 to 3. `on_block(index, block)` is called once for each `Block` that is complete.

    `shelf(index, fragments, size)` gives a place for a block's fragments; None: in memory. It may refuse with OSError.
    """

    PORT = PORT

    def __init__(self, on_block, max_bytes=8192, max_lost=32, shelf=None):
        self._on_block = on_block
        self._shelf = shelf
        self._max_bytes = max_bytes
        self._max_lost = max_lost
        self._blocks = {}
        self._groups = {}  # index -> mask of the multicast groups that may feed it

    def handle(self, data, now_ms, group=None):
        """Take the commands of a downlink, or a fragment; gives the answer. `group`: the event's multicast group."""
        answer = bytearray()
        at = 0
        while at < len(data):
            command = data[at]
            if command == _DATA:
                self._fragment(data[at + 1 :], group)
                break
            size = _REQUEST_BYTES.get(command)
            if size is None or at + 1 + size > len(data):
                break
            body = data[at + 1 : at + 1 + size]
            at += 1 + size
            if command == _PACKAGE_VERSION:
                answer.extend(bytes((command, _IDENTIFIER, _VERSION)))
            elif command == _SETUP:
                answer.extend(bytes((command, self._setup(body))))
            elif command == _DELETE:
                index = body[0] & 0x03
                found = self._blocks.pop(index, None)
                answer.extend(bytes((command, index | (0 if found else _NO_SUCH_SESSION))))
            else:
                answer.extend(self._status(body[0]))
        return bytes(answer)

    def _setup(self, body):
        index = (body[0] >> 4) & 0x03
        fragments, size, padding = body[1] | body[2] << 8, body[3], body[5]
        status = index << 6
        if (body[4] >> 3) & 0x07:
            status |= _ENCODING_UNSUPPORTED
        others = sum(block.fragments * block.size for other, block in self._blocks.items() if other != index)
        if not 0 < fragments * size <= self._max_bytes - others or padding >= fragments * size:
            status |= _NOT_ENOUGH_MEMORY
        if status == index << 6:
            try:
                shelf = self._shelf(index, fragments, size) if self._shelf else None
            except OSError:
                return status | _NOT_ENOUGH_MEMORY
            descriptor = int.from_bytes(body[6:10], "little")
            self._groups[index] = body[0] & 0x0F
            self._blocks[index] = Block(fragments, size, padding, self._max_lost, shelf, descriptor)
        return status

    def _status(self, param):
        index = (param >> 1) & 0x03
        block = self._blocks.get(index)
        if block is None or (block.complete and not param & 0x01):
            return b""  # only those that miss something are asked
        received = min(block.received, _N_MASK) | index << 14
        flags = _NO_MATRIX_MEMORY if block.out_of_memory else 0
        return bytes((_STATUS, received & 0xFF, received >> 8, min(block.missing, 255), flags))

    def _fragment(self, body, group):
        if len(body) < 2:
            return
        word = body[0] | body[1] << 8
        index = word >> 14
        block = self._blocks.get(index)
        if block is None or block.complete or (group is not None and not self._groups[index] & 1 << group):
            return
        block.add(word & _N_MASK, body[2:])
        if block.complete:
            self._on_block(index, block)


def _lowest(mask):
    index = 0
    while not mask >> index & 1:
        index += 1
    return index


def _xor(target, source):
    for i in range(len(target)):
        target[i] ^= source[i]
