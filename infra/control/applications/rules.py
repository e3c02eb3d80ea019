"""Which rule judges which deed. A rule is given the cases, who acts, the act's offset and time, the deed, and who may sign; it
answers with the cases as they are then, or with the word (`why.py`) why the deed has no effect. It is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.control.applications import bureau_rules, decision_rules, end_rules, filing_rules, standing_rules
from infra.control.applications.case import Cases
from infra.runtime.signers import Person, Signers

Rule = Callable[[Cases, Person, int, int, Any, Signers], Cases | str]

RULES: Mapping[str, Rule] = {
    "drafted": filing_rules.drafted,
    "submitted": filing_rules.submitted,
    "withdrawn": filing_rules.withdrawn,
    "supplement_requested": bureau_rules.supplement_requested,
    "form_checked": bureau_rules.form_checked,
    "extended": bureau_rules.extended,
    "mediated": bureau_rules.mediated,
    "approved": decision_rules.approved,
    "refused": decision_rules.refused,
    "rectified": end_rules.rectified,
    "destroyed": end_rules.destroyed,
    "standing_signed": standing_rules.standing_signed,
    "standing_ended": standing_rules.standing_ended,
    "auto_replied": standing_rules.auto_replied,
}
"""By kind. A deed without a rule has no effect."""
