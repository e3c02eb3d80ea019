"""`python -m infra.bus`, which is what a supervisor starts."""

from infra.bus.main import run

run()
