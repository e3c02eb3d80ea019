"""The policy: (contract, grant, change events, keys, time) -> released events, as a pure function.

No Kafka, no Faust, no clock, no environment, no randomness: whatever decides is an argument.
"""

from stream_apps.policy.compile import compile_view
from stream_apps.policy.deletes import delete_for_keys
from stream_apps.policy.evaluate import evaluate
from stream_apps.policy.in_force import Suspension, view_in_force
from stream_apps.policy.keys import PREVIEW_KEY, ViewKeys, derive_keys
from stream_apps.policy.preview import preview
from stream_apps.policy.released import Failure, Outcome, Released
from stream_apps.policy.view import View, ViewField

__all__ = [
    "PREVIEW_KEY",
    "Failure",
    "Outcome",
    "Released",
    "Suspension",
    "View",
    "ViewField",
    "ViewKeys",
    "compile_view",
    "delete_for_keys",
    "derive_keys",
    "evaluate",
    "preview",
    "view_in_force",
]
