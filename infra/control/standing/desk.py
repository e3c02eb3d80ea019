"""What people do with standing approvals: plain functions, settings in, facts out. Whoever acts is whose key BUS_IDENTITY names."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.control.applications.case import Cases, Standing
from infra.control.applications.log import act, read_cases
from infra.control.contracts import Contracts
from infra.control.identity import identity
from infra.control.listing import state
from infra.control.register.log import read_register
from infra.control.standing.difference import Line, difference
from infra.control.standing.expand import Closed, close_list
from infra.control.standing.reply import auto_reply
from infra.runtime.settings import Settings
from infra.runtime.signers import signers_of
from schemas.act import AutoReplied, StandingEnded, StandingSigned
from schemas.approval import StandingItem, standing_text
from schemas.errors import ConfigError
from schemas.standing_approval import StandingApproval, parse_standing
from schemas.text import Text
from schemas.validation import parse_yaml, read_text


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one provider would sign.

    items      its lines of the closed list, as they are now
    lines      how they differ from those it signed before
    former     version it signed before, 0 if none
    """

    document: StandingApproval
    provider: str
    items: tuple[StandingItem, ...]
    lines: tuple[Line, ...]
    former: int
    left_out: Mapping[str, Text]


def read_standing(path: Path) -> list[StandingApproval]:
    """The standing approvals of a file, at least one. ConfigError for a wrong one, and for two that contradict each other."""
    found: dict[str, StandingApproval] = {}
    for document in parse_yaml(read_text(path), str(path)):
        if document is None:
            continue
        one = parse_standing(document, str(path))
        if found.setdefault(one.id, one) != one:
            raise ConfigError(
                Text(f"'{one.id}' is written twice, and the two differ.", f"'{one.id}' 出现两次且内容不同。"),
                where=str(path),
                hint=Text("Keep one of them.", "请只保留其中一份。"),
            )
    if not found:
        raise ConfigError(Text("holds no standing approval.", "没有常态化授权内容。"), where=str(path))
    return list(found.values())


def close_file(settings: Settings, path: Path) -> list[tuple[StandingApproval, Closed]]:
    """The closed list of each standing approval of a file under contracts, directory and catalogue as they are now, of all
    providers.

    One may name others of the file, or others that somebody signed. What `close_list` says of errors holds.
    """
    documents = read_standing(path)
    contracts, register = Contracts(state(settings).contracts), read_register(settings)
    others = _signed_documents(read_cases(settings)) | {d.id: d for d in documents}
    return [(d, close_list(d, contracts, register.purposes, register.entries, others)) for d in documents]


def propose(settings: Settings, path: Path) -> list[Proposal]:
    """What the person who runs this would sign for its department. ConfigError if nothing of the file is theirs to sign."""
    provider = identity(settings, signers_of(settings)).person.department
    signed = read_cases(settings).standing
    found = [
        _proposal(document, closed, provider, signed.get((document.id, provider)))
        for document, closed in close_file(settings, path)
        if provider in closed.items or (document.id, provider) in signed
    ]
    if not found:
        raise ConfigError(
            Text(f"none of its resources is {provider}'s to approve.", f"其中没有由 {provider} 提供的资源。"),
            where=str(path),
        )
    return found


def sign_proposal(settings: Settings, proposal: Proposal) -> Standing:
    """Sign every line in one act. ConfigError if there is nothing new, the version has not been raised or nothing is left, and
    as `act` says.
    """
    document = proposal.document
    _check_signable(proposal)
    signing = identity(settings, signers_of(settings)).signing
    signatures = tuple(signing.sign(standing_text(item)) for item in proposal.items)
    cases = act(settings, StandingSigned(standing=document, items=proposal.items, signatures=signatures))
    return cases.standing[document.id, proposal.provider]


def end_standing(settings: Settings, standing: str) -> Standing:
    """End one's own lines: they approve nothing from here on; grants given go on. As `act` says of errors."""
    provider = identity(settings, signers_of(settings)).person.department
    return act(settings, StandingEnded(standing=standing)).standing[standing, provider]


def list_standing(settings: Settings, standing: str | None = None) -> list[Standing]:
    """What was signed, by standing approval and provider; only of one, which must be there, if it is named."""
    signed = sorted(read_cases(settings).standing.items())
    found = [s for (name, _), s in signed if standing in (None, name)]
    if standing is not None and not found:
        raise ConfigError(
            Text(f"nobody has signed a standing approval '{standing}'.", f"没有人签署过常态化授权 '{standing}'。"),
            hint=Text("'bus standing list' lists them.", "可用 'bus standing list' 查看。"),
        )
    return found


def reply(settings: Settings, application: str | None = None, *, now_ms: int | None = None) -> list[AutoReplied]:
    """Answer at once what no provider needs to decide any more, each application by an act of its own; of one or of all.

    Doing it again answers nothing twice. As `act` says of errors: what was answered before one stays answered.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    replies = auto_reply(read_cases(settings), Contracts(state(settings).contracts), now)
    wanted = [r for r in replies if application in (None, r.application)]
    for one in wanted:
        act(settings, one)
    return wanted


def _signed_documents(cases: Cases) -> dict[str, StandingApproval]:
    """By id; of one that several providers signed, the newest version."""
    by_version: Sequence[Standing] = sorted(cases.standing.values(), key=lambda s: (s.document.version, s.provider))
    return {s.document.id: s.document for s in by_version if s.ended_at is None}


def _proposal(document: StandingApproval, closed: Closed, provider: str, signed: Standing | None) -> Proposal:
    items = closed.items.get(provider, ())
    before = signed.items if signed is not None and signed.ended_at is None else ()
    former = signed.document.version if signed is not None else 0
    return Proposal(document, provider, items, tuple(difference(before, items)), former, closed.left_out)


def _check_signable(proposal: Proposal) -> None:
    where = proposal.document.id
    if not proposal.lines:
        raise ConfigError(Text("nothing has changed since it was signed.", "自上次签署以来没有变化。"), where=where)
    if not proposal.items:
        raise ConfigError(
            Text("nothing of it is left to approve.", "已没有可授权的内容。"),
            where=where,
            hint=Text(f"End it: bus standing end {where}", f"可终止: bus standing end {where}"),
        )
    if proposal.document.version <= proposal.former:
        raise ConfigError(
            Text(
                f"version {proposal.former} was signed with another list.",
                f"第 {proposal.former} 版已按另一清单签署。",
            ),
            where=f"{where}: version",
            hint=Text(f"Write version: {proposal.former + 1}.", f"请写 version: {proposal.former + 1}。"),
        )
