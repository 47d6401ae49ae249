"""How many bytes one destination has sent and received, with everything that is paid for: headers, acknowledgements,
keepalives, TLS, repetitions. TCP is asked from the kernel; UDP is counted datagram by datagram.
"""

from __future__ import annotations

import contextlib
import socket
import struct

# linux/tcp.h, struct tcp_info: u8 tcpi_options at 5, u64 tcpi_bytes_acked and tcpi_bytes_received at 120,
# u32 tcpi_segs_out and tcpi_segs_in at 136, u64 tcpi_bytes_sent at 200 (Linux 4.19, with repetitions).
_OPTIONS_AT = 5
_TIMESTAMPS = 0x01
_RECEIVED_AT = 120
_SENT_AT = 200
_TCP_INFO_BYTES = 208
_IPV4_BYTES, _IPV6_BYTES, _TCP_BYTES, _TIMESTAMP_BYTES, _UDP_BYTES = 20, 40, 20, 12, 8
# A handshake that fails: three segments of TCP, and two certificates if there was TLS.
_FAILED_TCP_BYTES, _FAILED_TLS_BYTES = 200, 4000


class Wire:
    """The counter of one destination."""

    def __init__(self) -> None:
        self._done_bytes = 0
        self._socket: socket.socket | None = None

    @property
    def total_bytes(self) -> int:
        """Both directions, since this object was made."""
        return self._done_bytes + self._open_bytes()

    def attach(self, sock: socket.socket) -> None:
        """A TCP connection begins."""
        self.detach()
        self._socket = sock

    def detach(self) -> None:
        """It is about to be closed."""
        self._done_bytes += self._open_bytes()
        self._socket = None

    def failed(self, tls: bool) -> None:
        """A connection did not come about."""
        self._done_bytes += _FAILED_TCP_BYTES + (_FAILED_TLS_BYTES if tls else 0)

    def datagram(self, length: int) -> None:
        """A UDP datagram, in either direction."""
        self._done_bytes += _IPV4_BYTES + _UDP_BYTES + length

    def _open_bytes(self) -> int:
        sock = self._socket
        if sock is None:
            return 0
        with contextlib.suppress(OSError, ValueError, AttributeError):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            return tcp_bytes(info, sock.family == socket.AF_INET6)
        return 0


def tcp_bytes(info: bytes, ipv6: bool) -> int:
    """Bytes on the wire of one connection, from its struct tcp_info."""
    acked, received, segments_out, segments_in = struct.unpack_from("=QQII", info, _RECEIVED_AT)
    sent = struct.unpack_from("=Q", info, _SENT_AT)[0] if len(info) >= _TCP_INFO_BYTES else acked
    header = (_IPV6_BYTES if ipv6 else _IPV4_BYTES) + _TCP_BYTES
    if info[_OPTIONS_AT] & _TIMESTAMPS:
        header += _TIMESTAMP_BYTES
    return int(sent + received + (segments_out + segments_in) * header)
