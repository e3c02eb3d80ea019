"""Who can log in, by department: the broker's own SCRAM users, so that no list has to be kept beside it.

A user of a department is called like it, or begins with it and `:`; no id holds a `:`, so no user is two departments'.
"""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.security.acls import CONTROL, EXCHANGE
from infra.security.reconcile import TIMEOUT_S, refused
from schemas.ids import OWN, check_id


def users_by_department(client: AdminClient) -> dict[str, list[str]]:
    """The departments' users. Raises TransientError if the cluster is out of reach, PermanentError if we may not ask."""
    try:
        names = client.describe_user_scram_credentials(request_timeout=TIMEOUT_S).result()
    except KafkaException as error:
        raise refused(error) from error
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        department = name.split(OWN, 1)[0]
        if name not in (CONTROL, EXCHANGE) and _is_id(department):
            found.setdefault(department, []).append(name)
    return found


def _is_id(word: str) -> bool:
    try:
        check_id(word)
    except ValueError:
        return False
    return True
