"""The protocol's numbers by their names: frame types, commands, elements, methods and causes (RFC 5457)."""

from __future__ import annotations

from enum import IntEnum


class FrameType(IntEnum):
    """RFC 5456 8.2."""

    DTMF_END = 1
    VOICE = 2
    VIDEO = 3
    CONTROL = 4
    NULL = 5
    IAX = 6
    TEXT = 7
    IMAGE = 8
    HTML = 9
    COMFORT_NOISE = 10
    DTMF_BEGIN = 12


class Command(IntEnum):
    """Subclass of an IAX frame (RFC 5456 8.4); those that are not here are answered with UNSUPPORT."""

    NEW = 1
    PING = 2
    PONG = 3
    ACK = 4
    HANGUP = 5
    REJECT = 6
    ACCEPT = 7
    AUTHREQ = 8
    AUTHREP = 9
    INVAL = 10
    LAGRQ = 11
    LAGRP = 12
    REGREQ = 13
    REGAUTH = 14
    REGACK = 15
    REGREJ = 16
    REGREL = 17
    VNAK = 18
    TXCNT = 23
    TXACC = 24
    POKE = 30
    UNSUPPORT = 33
    CALLTOKEN = 40


#: They take no place in the sequence and are not acknowledged (RFC 5456 7).
UNSEQUENCED = frozenset({Command.ACK, Command.INVAL, Command.VNAK, Command.TXCNT, Command.TXACC})


class Control(IntEnum):
    """Subclass of a control frame (RFC 5456 8.3)."""

    ANSWER = 4


class Element(IntEnum):
    """Information elements that are read or written here (RFC 5456 8.6)."""

    CALLED_NUMBER = 1
    CALLING_NUMBER = 2
    CALLING_NAME = 4
    USERNAME = 6
    PASSWORD = 7
    CAPABILITY = 8
    FORMAT = 9
    VERSION = 11
    AUTH_METHODS = 14
    CHALLENGE = 15
    MD5_RESULT = 16
    RSA_RESULT = 17
    APPARENT_ADDRESS = 18
    REFRESH = 19
    CAUSE = 22
    UNKNOWN_COMMAND = 23
    DATE_TIME = 31
    CAUSE_CODE = 42
    RECEIVED_JITTER = 46
    RECEIVED_LOSS = 47
    RECEIVED_FRAMES = 48
    RECEIVED_DELAY = 49
    RECEIVED_DROPPED = 50
    RECEIVED_OUT_OF_ORDER = 51
    CALL_TOKEN = 54


#: RFC 5456 8.6.13: bits of AUTH_METHODS.
PLAINTEXT = 1
MD5 = 2
RSA = 4

#: RFC 5456 8.6.10.
PROTOCOL_VERSION = 2


class Cause(IntEnum):
    """Q.850, as RFC 5456 8.6.33 has it."""

    NO_ROUTE = 3
    NORMAL = 16
    BUSY = 17
    OUT_OF_ORDER = 27
    FACILITY_REJECTED = 29
    NETWORK_OUT_OF_ORDER = 38
    NO_AUTHORITY = 50


#: Audio formats (RFC 5456 8.7): GSM, G.711 in both laws, signed linear, G.726, Speex, iLBC, G.722.
#: No audio is sent; a peer accepts a call only in a format that it has.
ULAW = 1 << 2
ANY_AUDIO = 1 << 1 | ULAW | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12
