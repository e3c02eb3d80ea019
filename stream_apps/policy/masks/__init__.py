"""Every mask there is, listed by hand: adding one is one file and one line here."""

from __future__ import annotations

from stream_apps.policy.masks.bucket import Bucket
from stream_apps.policy.masks.constant import Constant
from stream_apps.policy.masks.date_to_year import DateToYear
from stream_apps.policy.masks.dropped import Drop
from stream_apps.policy.masks.encrypt import Encrypt
from stream_apps.policy.masks.generalise import Generalise
from stream_apps.policy.masks.mask import About, Example, Mask, Place
from stream_apps.policy.masks.nulled import Null
from stream_apps.policy.masks.partial import Partial
from stream_apps.policy.masks.passed import Pass
from stream_apps.policy.masks.pseudonym import Pseudonym
from stream_apps.policy.masks.regex_replace import RegexReplace
from stream_apps.policy.masks.truncate import Truncate

MASKS: dict[str, type[Mask]] = {
    m.name: m
    for m in (
        *(Pass, Drop, Null, Constant, Partial, Truncate, RegexReplace, Pseudonym, Encrypt, Generalise),
        *(Bucket, DateToYear),  # short names of generalise
    )
}

__all__ = ["MASKS", "About", "Example", "Mask", "Place"]
