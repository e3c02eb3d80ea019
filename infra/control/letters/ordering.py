"""Order dead letters to be judged once more: an entry in the control log, which the owners of their partitions carry out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.control.letters.reading import DeadLetter
from infra.control.ordering import Giver, giver
from infra.runtime.orders import may_retry
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.order import Capacity, Ordered
from schemas.policy_log import RetryOrdered
from schemas.policy_state import PolicyState
from schemas.retry_order import MOST, Pointer, retry_text
from schemas.text import Text

_CAPACITIES: tuple[Capacity, ...] = ("provider", "bureau", "subscriber")


@dataclass(frozen=True, slots=True)
class RetryGiven:
    """An order in the control log."""

    epoch: int
    resource: str
    letters: int


def order_retry(
    settings: Settings, found: Sequence[DeadLetter], *, by: str = "bus", now_ms: int | None = None
) -> list[RetryGiven]:
    """Order letters to be judged once more, all in one append; one order for each resource and 500 letters.

    by   evidence where no signers are known; where they are, it is who BUS_IDENTITY says: people of the provider or the data
         bureau, and of a subscriber where all letters are of its own grants
    Raises ConfigError for who may not (nothing was written), Overtaken if another command was faster, TransientError if the
    cluster is out of reach.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    orders = giver(settings, by, now)
    with ControlLog(settings) as log:
        events = [
            _event(orders, log.state, resource, some[n : n + MOST], now)
            for resource, some in _by_resource(found).items()
            for n in range(0, len(some), MOST)
        ]
        epochs = log.append(events)
    return [RetryGiven(at, one.resource, len(one.letters)) for at, one in zip(epochs, events, strict=True)]


def _by_resource(found: Sequence[DeadLetter]) -> Mapping[str, list[Pointer]]:
    out: dict[str, list[Pointer]] = {}
    for one in found:
        pointer = Pointer(partition=one.partition, offset=one.offset, grant=one.grant)
        out.setdefault(one.resource, []).append(pointer)
    return out


def _event(orders: Giver, state: PolicyState, resource: str, letters: Sequence[Pointer], now: int) -> RetryOrdered:
    said = RetryOrdered(resource=resource, letters=tuple(letters), at=now, by=orders.by)
    if orders.who is None:
        return said
    person = orders.who.person
    contract = state.contracts.get(resource)
    provider = contract.provider if contract else None
    subscribers = {
        state.grants[one.grant].grant.subscriber if one.grant is not None and one.grant in state.grants else None
        for one in letters
    }
    side = next((one for one in _CAPACITIES if may_retry(person, one, provider, subscribers)), None)
    if side is None:
        raise ConfigError(
            Text(
                f"{person.id} of {person.department} may not order a retry on {resource}; nothing was done.",
                f"{person.department} 的 {person.id} 无权对 {resource} 下达重试; 未执行任何操作。",
            ),
            where="bus dead-letters retry",
            hint=Text(
                f"People of {provider or '-'} (provider) or the data bureau may; a subscriber's of letters of its own grants.",
                f"须由提供方 {provider or '-'} 或数据主管部门的人员下达; 需求方仅限本部门授权的异常数据。",
            ),
        )
    signature = orders.who.signing.sign(retry_text(resource, letters, side, person.id, now))
    ordered = Ordered(by=person.id, department=person.department, capacity=side, signature=signature)
    return said.model_copy(update={"ordered": ordered})
