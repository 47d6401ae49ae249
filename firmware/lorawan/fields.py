"""Fields that frames, MAC commands and channel lists share. A node with a modem needs them without the frames."""


def u24(data, at):
    """Three bytes, least significant first."""
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16
