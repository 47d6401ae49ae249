"""The order of a device's frames: by frame counter, not by time.

The network server judges frames by their counters alone, so order by counter is what it needs; a gateway whose clock
is wrong cannot spoil it. Counters are 16 bits on the air and go round (LoRaWAN 1.0.4 section 4.3.1.5).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

_COUNTERS = 1 << 16


def first_counter(counters: Sequence[int]) -> int:
    """The oldest of ascending counters on their circle of 65536: the one behind the widest gap.

    Right whenever the frames span less of the circle than the devices left free: 65536 frames are 45 days at one a
    minute.
    """
    gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(counters)]
    around = (counters[0] + _COUNTERS - counters[-1], counters[0])
    return max([around, *gaps], key=lambda gap: gap[0])[1]
