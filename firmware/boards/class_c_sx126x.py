"""What a class C node with an SX126x has instead of the stack's own MAC and radio."""

from firmware.lorawan.class_c import ClassCMac
from firmware.radio.sx126x_class_c import SX1262ClassC

KINDS = (ClassCMac, SX1262ClassC)
