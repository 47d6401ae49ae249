"""Fill level of a container from the distance to its content. Pure integer arithmetic.

`empty_mm` is the distance to the floor of the empty container, `full_mm` the distance at the 100 % line, which must
not be nearer than the sensor can see. Height share f = (empty - d) / (empty - full), cut to 0..1; the shape makes
the volume share of it.
"""

PRISM = "prism"
CYLINDER = "cylinder"  # lying; its diameter is empty - full
FRUSTUM = "frustum"  # sides that lean

_ONE = 10_000
"""A share of 1 in units of 0.01 %."""


def height_share(distance_mm, empty_mm, full_mm):
    """Share of the height in 0.01 %, 0..10000, rounded half up."""
    span = empty_mm - full_mm
    height = min(max(empty_mm - distance_mm, 0), span)
    return (2 * height * _ONE + span) // (2 * span)


def frustum_share(share, floor_mm, rim_mm):
    """Volume share of a container with square sides `floor_mm` below and `rim_mm` above, filled to `share`."""
    floor, rim = floor_mm**3, rim_mm**3
    if floor == rim:
        return share
    side = floor_mm * _ONE + (rim_mm - floor_mm) * share
    whole = (rim - floor) * _ONE**2
    return (2 * (side**3 - floor * _ONE**3) + whole) // (2 * whole)


def cylinder_share(share):
    """Volume share of a lying cylinder filled to `share` of its diameter.

    Area of a circle segment over that of the circle, from a table of 1/128 steps of the diameter; the error is below
    0.02 %.
    """
    if share > _ONE // 2:
        return _ONE - cylinder_share(_ONE - share)
    position = share * 128
    place = position // _ONE
    low = _segment(place)
    if place == 64:
        return low
    return low + ((_segment(place + 1) - low) * (position - place * _ONE) + _ONE // 2) // _ONE


def _segment(place):
    return _SEGMENTS[2 * place] << 8 | _SEGMENTS[2 * place + 1]


def fill_percent(share):
    """Share in 0.01 % as whole percent, rounded half up."""
    return (share + 50) // 100


# (acos(1 - 2h) - (1 - 2h) * sqrt(4h - 4h^2)) / pi in 0.01 %, 16 bits each, for h = 0, 1/128 .. 64/128
_SEGMENTS = bytes.fromhex(
    "0000000c0021003c005d008200aa00d601040136016a01a001d902140252029102d103140358039e03e6042f047904c50512"
    "056005b00600065206a506f9074d07a307fa085108a90902095c09b70a120a6e0aca0b280b850be30c420ca10d010d610dc2"
    "0e230e840ee50f470fa9100c106e10d11134119711fa125e12c113251388"
)
