"""Every fuzz target, by its name on the command line."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets.codec import CodecTarget
from tests.fuzz.targets.contracts import ContractTarget
from tests.fuzz.targets.filters import FilterTarget
from tests.fuzz.targets.grants import GrantTarget
from tests.fuzz.targets.versions import VersionTarget
from tests.fuzz.targets.views import ViewTarget

TARGETS: dict[str, Target] = {
    "codec": CodecTarget(),
    "versions": VersionTarget(),
    "where": FilterTarget(),
    "contract": ContractTarget(),
    "grant": GrantTarget(),
    "view": ViewTarget(),
}
