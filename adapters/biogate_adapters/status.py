"""OPC UA status codes that adapters report (Part 4, 7.38; values from the Part 6 code table).

Plain integers: they travel in numpy columns from the engine to the client untranslated.
"""

GOOD = 0x00000000

UNCERTAIN = 0x40000000
UNCERTAIN_NO_COMMUNICATION_LAST_USABLE = 0x408F0000
UNCERTAIN_LAST_USABLE_VALUE = 0x40900000
UNCERTAIN_INITIAL_VALUE = 0x40920000
UNCERTAIN_SENSOR_NOT_ACCURATE = 0x40930000
UNCERTAIN_ENGINEERING_UNITS_EXCEEDED = 0x40940000
UNCERTAIN_SUB_NORMAL = 0x40950000
UNCERTAIN_SENSOR_CALIBRATION = 0x420A0000

BAD = 0x80000000
BAD_UNEXPECTED_ERROR = 0x80010000
BAD_INTERNAL_ERROR = 0x80020000
BAD_COMMUNICATION_ERROR = 0x80050000
BAD_DECODING_ERROR = 0x80070000
BAD_TIMEOUT = 0x800A0000
BAD_SHUTDOWN = 0x800C0000
BAD_TOO_MANY_OPERATIONS = 0x80100000
BAD_WAITING_FOR_INITIAL_DATA = 0x80320000
BAD_NOT_WRITABLE = 0x803B0000
BAD_OUT_OF_RANGE = 0x803C0000
BAD_NOT_SUPPORTED = 0x803D0000
BAD_TYPE_MISMATCH = 0x80740000
BAD_CONFIGURATION_ERROR = 0x80890000
BAD_NOT_CONNECTED = 0x808A0000
BAD_DEVICE_FAILURE = 0x808B0000
BAD_SENSOR_FAILURE = 0x808C0000
BAD_OUT_OF_SERVICE = 0x808D0000
BAD_NO_COMMUNICATION = 0x80310000
BAD_INVALID_STATE = 0x80AF0000

# The codes that a device profile may name, as Part 6 spells them with an underscore.
NAMES: dict[str, int] = {
    "Good": GOOD,
    "Uncertain_NoCommunicationLastUsableValue": UNCERTAIN_NO_COMMUNICATION_LAST_USABLE,
    "Uncertain_LastUsableValue": UNCERTAIN_LAST_USABLE_VALUE,
    "Uncertain_InitialValue": UNCERTAIN_INITIAL_VALUE,
    "Uncertain_SensorNotAccurate": UNCERTAIN_SENSOR_NOT_ACCURATE,
    "Uncertain_EngineeringUnitsExceeded": UNCERTAIN_ENGINEERING_UNITS_EXCEEDED,
    "Uncertain_SubNormal": UNCERTAIN_SUB_NORMAL,
    "Uncertain_SensorCalibration": UNCERTAIN_SENSOR_CALIBRATION,
    "Bad_CommunicationError": BAD_COMMUNICATION_ERROR,
    "Bad_DecodingError": BAD_DECODING_ERROR,
    "Bad_OutOfRange": BAD_OUT_OF_RANGE,
    "Bad_NotSupported": BAD_NOT_SUPPORTED,
    "Bad_ConfigurationError": BAD_CONFIGURATION_ERROR,
    "Bad_NotConnected": BAD_NOT_CONNECTED,
    "Bad_DeviceFailure": BAD_DEVICE_FAILURE,
    "Bad_SensorFailure": BAD_SENSOR_FAILURE,
    "Bad_OutOfService": BAD_OUT_OF_SERVICE,
    "Bad_NoCommunication": BAD_NO_COMMUNICATION,
    "Bad_InvalidState": BAD_INVALID_STATE,
}

_NAMES_BY_CODE = {code: name for name, code in NAMES.items()} | {
    BAD_TIMEOUT: "Bad_Timeout",
    BAD_UNEXPECTED_ERROR: "Bad_UnexpectedError",
}

_SEVERITY_MASK = 0xC0000000


def name_of(status: int) -> str:
    """The code's name for a log line, or its number for one that adapters do not use."""
    return _NAMES_BY_CODE.get(status, f"0x{status:08X}")


def is_good(status: int) -> bool:
    """True for severity Good (top two bits 00)."""
    return status & _SEVERITY_MASK == GOOD


def is_uncertain(status: int) -> bool:
    """True for severity Uncertain (top two bits 01)."""
    return status & _SEVERITY_MASK == UNCERTAIN


def is_bad(status: int) -> bool:
    """True for severity Bad (top bit set)."""
    return bool(status & BAD)
