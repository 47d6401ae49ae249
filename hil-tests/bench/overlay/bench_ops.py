"""The words of the bus between a virtual board and its supervisor; read by both sides.

Messages on a SOCK_SEQPACKET socket, little-endian (MicroPython reads exact sizes only, hence two for a reply):

    request  u16 sequence, u8 op, u8 a, u32 b, i64 now_us, data
    reply    u16 sequence, u8 status, u8 number of interrupts, u32 value, i64 now_us, i64 lease_us,
             u32 size of the second message
    second   interrupts of 4 bytes (u8 kind, u8 id, u16 value), data; left out when empty

`now_us` is bench time. Until `lease_us` nothing can happen to the board, so it may let its clock run
that far without asking. A posted request has no reply; the supervisor carries it out at its `now_us`.
"""

REQUEST = "<HBBIq"
REQUEST_BYTES = 16
REPLY = "<HBBIqqI"
REPLY_BYTES = 28
INTERRUPT_BYTES = 4

# Answered at once or later; the board waits.
BOOT = 1  # -> data: JSON, what kind of board this is and why it started
SYNC = 2  # what time is it, did anything happen
SLEEP = 3  # a: WAKE_*, data: i64 until_us; -> earlier after an interrupt
PIN_GET = 4  # a: pin; -> value: level
I2C = 5  # a: bus, b: address | I2C_* | reads << 16, data: bytes to write; -> data
SPI = 6  # a: bus, data: out; -> data: in
UART_READ = 7  # a: id, b: at most, data: i64 until_us, u32 at least; -> data
UART_ANY = 8  # a: id; -> value: bytes waiting
ADC = 9  # a: pin; -> value: microvolts
PULSE = 10  # a: pin, b: level, data: i64 timeout_us; -> value: width, or PULSE_*
ONEWIRE_RESET = 11  # a: pin; -> value: 1 when a device answered
ONEWIRE_READ = 12  # a: pin, b: bits; -> data: bytes, first bit lowest
ONEWIRE_SEARCH = 13  # a: pin, b: last discrepancy, data: last ROM; -> value: next discrepancy, data: ROM
RTC_MEMORY_GET = 14  # -> data
NVS_GET = 15  # a: type, data: namespace NUL key; -> data
NVS_SET = 16  # a: type, data: namespace NUL key NUL value
NVS_ERASE = 17  # data: namespace NUL key
NVS_COMMIT = 18
UART_DONE = 19  # a: id; -> value: 1 when everything was sent
STATE = 20  # a: pin; -> value: level as an output drives it
# Never answered: the process ends here.
RESET = 30
SOFT_RESET = 31
DEEPSLEEP = 32  # data: i64 until_us (FOREVER_US: only a pin wakes)
BOOTLOADER = 33
POWER_CUT = 34

# Posted: no reply.
POSTED = 64
START = 64  # the prelude is through, console input may come
REPL = 65  # main.py is over, a person has the board
PIN_MODE = 66  # a: pin, b: MODE_* | PULL_* | VALUE_*
PIN_SET = 67  # a: pin, b: level
PIN_IRQ = 68  # a: pin, b: EDGE_*
I2C_SETUP = 69  # a: bus, b: hertz
SPI_SETUP = 70  # a: bus, b: hertz
SPI_WRITE = 71  # a: bus, data
UART_SETUP = 72  # a: id, b: baud, data: u16 receive buffer, u8 interrupt on arrival
UART_WRITE = 73  # a: id, data
PWM = 74  # a: pin, b: hertz, data: u16 duty
TIMER = 75  # a: slot, b: 1 periodic, data: i64 period_us; 0 stops
ONEWIRE_WRITE = 76  # a: pin, b: bits, data
RTC_MEMORY_SET = 77  # data
RTC_OFFSET = 78  # data: i64 seconds between bench time and the clock of the board
WDT = 79  # b: milliseconds
WDT_FEED = 80
WAKE_PIN = 81  # a: pin, b: level (2: no longer)
NEOPIXEL = 82  # a: pin, data

# Details of the fields above.
WAKE_CONSOLE = 1  # a key pressed ends the sleep
WAKE_UART = 2  # an arriving byte ends the sleep
WAKE_LIGHT = 4  # light sleep: an interrupt or a wake pin ends it
I2C_WRITES = 0x100  # an empty write is a probe, no write at all is not
I2C_STOP = 0x200
PULSE_TIMEOUT_WAITING = 0xFFFFFFFE  # machine.time_pulse_us: -2
PULSE_TIMEOUT_INSIDE = 0xFFFFFFFF  # machine.time_pulse_us: -1
MODE_IN = 0
MODE_OUT = 1
MODE_OPEN_DRAIN = 2
PULL_UP = 0x10
PULL_DOWN = 0x20
VALUE_LOW = 0x100
VALUE_HIGH = 0x200
EDGE_RISING = 1
EDGE_FALLING = 2
FOREVER_US = 0x3FFFFFFFFFFFFFFF

# Status of a reply.
OK = 0
NAK = 1
ABSENT = 2
FULL = 3

# Kinds of interrupt.
IRQ_PIN = 1  # id: pin, value: level
IRQ_TIMER = 2  # id: slot
IRQ_UART = 3  # id: uart
