"""The Faust transport that delivers whole units of records (DESIGN 4)."""

from stream_apps.transport.app import UnitApp, create_app, on_units, run_app
from stream_apps.transport.source import Limits, Source
from stream_apps.transport.unit import Committed, Feed, Owner, Place, Slice, Unit

__all__ = [
    "Committed",
    "Feed",
    "Limits",
    "Owner",
    "Place",
    "Slice",
    "Source",
    "Unit",
    "UnitApp",
    "create_app",
    "on_units",
    "run_app",
]
