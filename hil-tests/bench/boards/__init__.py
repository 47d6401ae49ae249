"""Virtual boards: genuine MicroPython behind a console that mpremote, esptool and a terminal accept."""
