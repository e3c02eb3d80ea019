"""`python -m stream_apps.exchange [instance]`: a worker without the bus command, for tests and supervisors."""

from __future__ import annotations

import sys

from infra.runtime.logs import configure
from infra.runtime.settings import Settings
from stream_apps.exchange import run_exchange

configure(json=True)
run_exchange(Settings(), instance=sys.argv[1] if len(sys.argv) > 1 else None, metrics_port=0)
