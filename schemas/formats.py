"""Formats a contract may ask of a text, each one small function: whether a value has it.

The check digits follow GB 11643-1999 (ISO 7064 MOD 11-2) and GB 32100-2015 (base 31 without I, O, S, V, Z). Lower-case
`x`, full-width digits and 15-digit numbers are dirt for conversions to undo, not other spellings of the same value.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from operator import mul

_ID_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]\Z")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_ZERO = ord("0") * sum(_ID_WEIGHTS)
_ID_CHECKS = "10X98765432"
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}\Z")
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES = {c: n for n, c in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS = tuple(pow(3, n, 31) for n in range(17))
_MOBILE = re.compile(r"1[3-9][0-9]{9}\Z")
_DIVISION = re.compile(r"[1-9][0-9]{5}(?:[0-9]{3}(?:[0-9]{3})?)?\Z")


def id_check_digit(body: str) -> str:
    """Check character of the first 17 digits of a citizen identity number."""
    return _ID_CHECKS[(sum(map(mul, body.encode(), _ID_WEIGHTS)) - _ID_ZERO) % 11]


def uscc_check_digit(body: str) -> str:
    """Check character of the first 17 characters of a unified social credit code."""
    total = sum(map(mul, map(_USCC_VALUES.__getitem__, body), _USCC_WEIGHTS))
    return _USCC_ALPHABET[-total % 31]


def is_id_number(value: str) -> bool:
    """Citizen identity number (公民身份号码): 18 characters, a day that exists, the right check character."""
    if not _ID_NUMBER.match(value):
        return False
    try:
        dt.date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    return value[17] == id_check_digit(value[:17])


def is_uscc(value: str) -> bool:
    """Unified social credit code (统一社会信用代码): 18 characters with the right check character."""
    return _USCC.match(value) is not None and value[17] == uscc_check_digit(value[:17])


def is_mobile(value: str) -> bool:
    """Mainland mobile number: 11 digits from 13 on."""
    return _MOBILE.match(value) is not None


def is_division(value: str) -> bool:
    """Code of an administrative division: 6, 9 or 12 digits (county, township, village)."""
    return _DIVISION.match(value) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "cn-id": is_id_number,
    "cn-uscc": is_uscc,
    "cn-mobile": is_mobile,
    "cn-division": is_division,
}
"""Every format there is, by the name contracts use."""
