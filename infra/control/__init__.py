"""What the control plane can be asked to do: plain functions with settings in and facts out. The `bus` command prints them."""

from infra.control.access import AclFacts, repair_acls, show_acls
from infra.control.apply import apply_contract, apply_files, apply_grant
from infra.control.cascade import Scope, terminate
from infra.control.facts import (
    Applied,
    ContractApplied,
    Fence,
    GrantApplied,
    GrantFacts,
    KeyFacts,
    Reaped,
    Registered,
    Rotated,
    RuleApplied,
    SharedKey,
)
from infra.control.keys import list_keys, rotate, share
from infra.control.listing import list_grants, state
from infra.control.reap import KEEP_S, reap
from infra.control.resume import resume
from infra.control.revoke import revoke, revoke_all

__all__ = [
    "KEEP_S",
    "AclFacts",
    "Applied",
    "ContractApplied",
    "Fence",
    "GrantApplied",
    "GrantFacts",
    "KeyFacts",
    "Reaped",
    "Registered",
    "Rotated",
    "RuleApplied",
    "Scope",
    "SharedKey",
    "apply_contract",
    "apply_files",
    "apply_grant",
    "list_grants",
    "list_keys",
    "reap",
    "repair_acls",
    "resume",
    "revoke",
    "revoke_all",
    "rotate",
    "share",
    "show_acls",
    "state",
    "terminate",
]
