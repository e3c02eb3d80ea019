"""An office of people with keys, as the tests of applications have."""

from tests.infra.control.applications.conftest import office

__all__ = ["office"]
