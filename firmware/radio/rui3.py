"""RUI3 AT modem (RAK3172) on a UART: a whole LoRaWAN stack behind the calls that the node makes of a link.

The modem joins, encrypts, counts and keeps its own DevNonce. What is said to it and what its texts mean is in
`rui3_dialogue`; here are only the UART and the clock.

Source: RUI3 AT command manual (RAKwireless); facts of section 11 of the project's LoRaWAN sheet.
"""
