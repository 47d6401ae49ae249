"""What a class C node with an SX127x has instead of the stack's own MAC and radio."""

from firmware.lorawan.class_c import ClassCMac
from firmware.radio.sx127x_class_c import SX1276ClassC

KINDS = (ClassCMac, SX1276ClassC)
