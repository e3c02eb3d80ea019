"""Row filters: the SQL predicate subset every integrator knows, typed against the contract, three-valued."""

from stream_apps.policy.where.columns import truth
from stream_apps.policy.where.parse import parse_where
from stream_apps.policy.where.tree import Predicate, fields_of

__all__ = ["Predicate", "fields_of", "parse_where", "truth"]
