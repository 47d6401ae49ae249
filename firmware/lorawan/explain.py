"""A frame in words, for `spatz frame decode` and the bench: one dict with the names that the test vectors use.

Host side only; nodes do not carry this file.
"""

from binascii import hexlify

from . import frames
from .activation import JoinAccept, session_keys
from .crypto import Key, mic_matches
from .errors import Malformed
from .ids import DevAddr, Eui, NetId

_NAMES = {
    frames.JOIN_REQUEST: "JoinRequest",
    frames.JOIN_ACCEPT: "JoinAccept",
    frames.UNCONFIRMED_UP: "UnconfirmedDataUp",
    frames.UNCONFIRMED_DOWN: "UnconfirmedDataDown",
    frames.CONFIRMED_UP: "ConfirmedDataUp",
    frames.CONFIRMED_DOWN: "ConfirmedDataDown",
    0xC0: "RejoinRequest",
    0xE0: "Proprietary",
}


def explain(frame, app_key=None, nwk_skey=None, app_skey=None, fcnt32=None, dev_nonce=None):
    """Take `frame` (PHYPayload bytes) apart as far as the given 16-byte keys allow.

    Without keys: the clear fields. With `nwk_skey` also `mic_valid`; the key of the port gives `plaintext`; `app_key`
    gives the MIC of a Join-Request, and the content of a Join-Accept; with `dev_nonce` in addition its session keys.
    `fcnt32`: the full counter; its upper half is taken as zero otherwise. Raises `Malformed`.
    """
    if not frame:
        raise Malformed("an empty frame")
    if frame[0] & 0x03:
        raise Malformed("major version %d" % (frame[0] & 0x03))
    ftype = frame[0] & 0xE0
    if ftype == frames.JOIN_REQUEST:
        return _join_request(frame, app_key)
    if ftype == frames.JOIN_ACCEPT:
        return _join_accept(frame, app_key, dev_nonce)
    if ftype in (0xC0, 0xE0):
        return {"mtype": _NAMES[ftype], "body": _hex(frame[1:])}
    return _data(frame, nwk_skey, app_skey, fcnt32)


def _join_request(frame, app_key):
    if len(frame) != frames.JOIN_REQUEST_BYTES:
        raise Malformed("%d bytes, a Join-Request has %d" % (len(frame), frames.JOIN_REQUEST_BYTES))
    found = {
        "mtype": "JoinRequest",
        "join_eui": str(Eui.from_wire(frame[1:9])),
        "dev_eui": str(Eui.from_wire(frame[9:17])),
        "dev_nonce": frame[17] | frame[18] << 8,
        "mic": _hex(frame[19:]),
    }
    if app_key is not None:
        found["mic_valid"] = mic_matches(Key(app_key).mic(frame, 19), frame, 19)
    return found


def _join_accept(frame, app_key, dev_nonce):
    if len(frame) not in frames.JOIN_ACCEPT_BYTES:
        raise Malformed("%d bytes, a Join-Accept has 17 or 33" % len(frame))
    if app_key is None:
        return {"mtype": "JoinAccept", "encrypted": _hex(frame[1:])}
    key = Key(app_key)
    accept = JoinAccept(frame, key)
    found = {
        "mtype": "JoinAccept",
        "join_nonce": accept.join_nonce[0] | accept.join_nonce[1] << 8 | accept.join_nonce[2] << 16,
        "net_id": str(NetId.from_wire(accept.net_id)),
        "devaddr": str(DevAddr.from_wire(accept.dev_addr)),
        "dl_settings": accept.dl_settings,
        "rx_delay": accept.clear[12],
        "cflist": _hex(accept.cflist),
        "mic": _hex(accept.clear[-4:]),
        "rx1_dr_offset": accept.rx1_dr_offset,
        "rx2_dr": accept.rx2_dr,
        "opt_neg": bool(accept.dl_settings & 0x80),
        "mic_valid": accept.mic_valid,
        "plaintext": _hex(accept.clear),
    }
    if len(accept.cflist) == 16 and accept.cflist[15] == 0:
        found["cflist_type0_hz"] = [_hundreds(accept.cflist, at) for at in range(0, 15, 3)]
    if dev_nonce is not None and accept.mic_valid:
        nonce = bytes((dev_nonce & 0xFF, dev_nonce >> 8))
        nwk_skey, app_skey = session_keys(key, accept.join_nonce, accept.net_id, nonce)
        found["NwkSKey"] = _hex(nwk_skey)
        found["AppSKey"] = _hex(app_skey)
    return found


def _data(frame, nwk_skey, app_skey, fcnt32):
    parts = frames.DataFrame(frame)
    fctrl = parts.fctrl
    found = {
        "mtype": _NAMES[parts.ftype],
        "devaddr": str(DevAddr.from_wire(parts.dev_addr)),
        "adr": bool(fctrl & frames.ADR),
        "ack": bool(fctrl & frames.ACK),
        "fcnt16": parts.fcnt16,
        "fopts": _hex(parts.fopts),
        "fport": parts.port,
        "frmpayload": _hex(frame[parts.payload_start : parts.mic_at]),
        "mic": _hex(frame[parts.mic_at :]),
        "direction": "up" if parts.uplink else "down",
    }
    if parts.uplink:
        found["adr_ack_req"] = bool(fctrl & frames.ADR_ACK_REQ)
        found["class_b"] = bool(fctrl & frames.CLASS_B)
    else:
        found["fpending"] = bool(fctrl & frames.F_PENDING)
    fcnt = parts.fcnt16 if fcnt32 is None else fcnt32
    found["fcnt32"] = fcnt
    if parts.fopts:
        found["commands"] = explain_commands(parts.fopts, found["direction"])
    if nwk_skey is not None:
        found["mic_valid"] = parts.mic_valid(Key(nwk_skey), fcnt)
    key = nwk_skey if parts.port == 0 else app_skey
    if key is not None and parts.payload_start < parts.mic_at and found.get("mic_valid", True):
        clear = parts.decrypted(Key(key), fcnt)
        found["plaintext"] = _hex(clear)
        if parts.port == 0:
            found["commands"] = explain_commands(clear, found["direction"])
    return found


# MAC commands (TS001-1.0.4 section 5): (CID, direction) -> name, bytes, fields. A field is (name, first bit, bits),
# counted from the least significant bit of the little-endian argument; a name ending in _hz counts 100 Hz.
_COMMANDS = {
    (0x02, "up"): ("LinkCheckReq", 0, ()),
    (0x02, "down"): ("LinkCheckAns", 2, (("margin", 0, 8), ("gw_cnt", 8, 8))),
    (0x03, "up"): ("LinkADRAns", 1, (("ch_mask_ack", 0, 1), ("data_rate_ack", 1, 1), ("power_ack", 2, 1))),
    (0x03, "down"): (
        "LinkADRReq",
        4,
        (("tx_power", 0, 4), ("data_rate", 4, 4), ("ch_mask", 8, 16), ("nb_trans", 24, 4), ("ch_mask_cntl", 28, 3)),
    ),
    (0x04, "up"): ("DutyCycleAns", 0, ()),
    (0x04, "down"): ("DutyCycleReq", 1, (("max_duty_cycle", 0, 4),)),
    (0x05, "up"): ("RXParamSetupAns", 1, (("channel_ack", 0, 1), ("rx2_dr_ack", 1, 1), ("rx1_dr_offset_ack", 2, 1))),
    (0x05, "down"): ("RXParamSetupReq", 4, (("rx2_data_rate", 0, 4), ("rx1_dr_offset", 4, 3), ("freq_hz", 8, 24))),
    (0x06, "up"): ("DevStatusAns", 2, (("battery", 0, 8), ("margin", 8, 6))),
    (0x06, "down"): ("DevStatusReq", 0, ()),
    (0x07, "up"): ("NewChannelAns", 1, (("channel_freq_ok", 0, 1), ("data_rate_range_ok", 1, 1))),
    (0x07, "down"): (
        "NewChannelReq",
        5,
        (("ch_index", 0, 8), ("freq_hz", 8, 24), ("min_dr", 32, 4), ("max_dr", 36, 4)),
    ),
    (0x08, "up"): ("RXTimingSetupAns", 0, ()),
    (0x08, "down"): ("RXTimingSetupReq", 1, (("delay", 0, 4),)),
    (0x09, "up"): ("TxParamSetupAns", 0, ()),
    (0x09, "down"): ("TxParamSetupReq", 1, (("max_eirp_code", 0, 4), ("uplink_dwell", 4, 1), ("downlink_dwell", 5, 1))),
    (0x0A, "up"): ("DlChannelAns", 1, (("channel_freq_ok", 0, 1), ("uplink_freq_exists", 1, 1))),
    (0x0A, "down"): ("DlChannelReq", 4, (("ch_index", 0, 8), ("freq_hz", 8, 24))),
    (0x0D, "up"): ("DeviceTimeReq", 0, ()),
    (0x0D, "down"): ("DeviceTimeAns", 5, (("gps_seconds", 0, 32), ("fraction_256ths", 32, 8))),
}


def explain_commands(data, direction):
    """The MAC commands in `data` sent `direction` ("up" or "down"), each a dict with `command` and its fields.

    An unknown or cut-off command ends the list, as it does in a device; the rest is given as `unread`.
    """
    found = []
    at = 0
    while at < len(data):
        name, size, fields = _COMMANDS.get((data[at], direction), (None, 0, ()))
        if name is None or at + 1 + size > len(data):
            found.append({"command": None, "unread": _hex(data[at:])})
            break
        argument = int.from_bytes(bytes(data[at + 1 : at + 1 + size]), "little")
        command = {"command": name}
        for field, first, bits in fields:
            value = (argument >> first) & ((1 << bits) - 1)
            if field.endswith("_hz"):
                value *= 100
            elif name == "DevStatusAns" and field == "margin" and value > 31:
                value -= 64  # six bits, signed
            command[field] = value
        found.append(command)
        at += 1 + size
    return found


def _hundreds(data, at):
    return 100 * (data[at] | data[at + 1] << 8 | data[at + 2] << 16)


def _hex(data):
    return hexlify(bytes(data)).decode()
