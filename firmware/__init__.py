"""What runs on the node. Imported under the same name on MicroPython and on the host."""
