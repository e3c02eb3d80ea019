"""Who may sign and end a standing approval, and which automatic replies have an effect; each with real keys."""

from __future__ import annotations

from typing import Any

import pytest

from infra.control.applications.standing_rules import auto_replied, standing_ended, standing_signed
from infra.control.applications.why import WHY
from schemas.act import Asked, AutoReplied, Deed, Refused, StandingEnded, StandingSigned, Withdrawn
from schemas.clock import end_of_day_ms, shanghai_date, start_of_day_ms
from schemas.grant import parse_grant
from stream_apps.policy import compile_view
from tests.infra.control.applications.office import Book, Office, submitted_book
from tests.infra.control.standing.policies import CONTRACTS, NOW, VALID, closed, signed, standing, state_of

ENDED = StandingEnded(standing="tax")
TWO = {"resources": {"resources": ["scjg.r1", "scjg.r2"]}}


def asked(resource: str = "scjg.r1", number: int = 1, **changes: Any) -> Asked:
    document = {"id": f"a.{number}", "subscriber": "shuiwu", "resource": resource, "purpose": "p", "basis": "b"}
    grant = parse_grant({**document, "fields": {"uscc": "pass"}, "valid": VALID, **changes})
    contract = CONTRACTS[resource]
    return Asked(grant=grant, view=compile_view(contract, grant).fingerprint, provider=contract.resource.provider)


def by_line(number: int = 0, grant: str = "a.1", name: str = "tax") -> AutoReplied:
    return AutoReplied(application="a", standing={grant: (name, number)})


def refused_act(book: Book, name: str, deed: Deed, at: int = NOW) -> str:
    """The word why it has no effect; and it has none."""
    before = state_of(book.cases)
    why = book.does(name, deed, at)
    assert state_of(book.cases) == before
    assert why in WHY
    return why or ""


def test_whoever_signs_for_the_provider_signs_its_lines_and_all_of_them_are_kept_with_their_signatures(
    office: Office,
) -> None:
    book, deed = Book(office), signed(office, "head.sc", standing(**TWO))
    assert book.does("head.sc", deed, NOW) is None
    kept = book.cases.standing["tax", "scjg"]
    assert (kept.items, kept.signatures, kept.by, kept.at) == (deed.items, deed.signatures, "head.sc", NOW)
    assert len(kept.items) == 2


def test_a_clerk_a_stranger_and_the_bureau_sign_no_standing_approval(office: Office) -> None:
    book = Book(office)
    assert refused_act(book, "clerk.sc", signed(office, "clerk.sc", standing())) == "role"
    assert refused_act(book, "bureau.head", signed(office, "bureau.head", standing())) == "bureau"


def test_one_signature_that_is_not_of_its_line_or_not_the_persons_refuses_all(office: Office) -> None:
    book, deed = Book(office), signed(office, "head.sc", standing(**TWO))
    swapped = deed.model_copy(update={"signatures": deed.signatures[::-1]})
    assert refused_act(book, "head.sc", swapped) == "signature"
    assert refused_act(book, "head.sc", signed(office, "office.sc", standing(**TWO))) == "signature"
    assert refused_act(book, "head.sc", deed.model_copy(update={"signatures": deed.signatures[:1]})) == "not_all_signed"
    assert refused_act(book, "head.sc", StandingSigned(standing=standing(), items=(), signatures=())) == (
        "not_all_signed"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"standing": "other"},
        {"subscriber": "rsj"},
        {"purpose": "other"},
        {"where": "uscc = '1'"},
        {"before": True},
        {"release_time": "day"},
        {"fields": {"name": {"mask": "pass"}}},
        {"valid": {"from": "2026-11-01", "until": "2028-10-31"}},
    ],
)
def test_a_line_that_the_document_does_not_say_refuses_all(office: Office, changes: dict[str, Any]) -> None:
    [line] = closed(standing()).items["scjg"]
    other = type(line).model_validate(line.model_dump(by_alias=True) | changes)
    assert refused_act(Book(office), "head.sc", signed(office, "head.sc", standing(), (other,))) == "not_as_written"


def test_a_line_twice_and_a_time_that_is_over_are_refused(office: Office) -> None:
    [line] = closed(standing()).items["scjg"]
    book = Book(office)
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing(), (line, line))) == "line_twice"
    until = standing().valid.until
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing()), end_of_day_ms(until) + 1) == "over"
    assert book.does("head.sc", signed(office, "head.sc", standing()), end_of_day_ms(until)) is None


def test_another_list_needs_a_newer_version_and_an_old_file_never_brings_back_what_was_ended(
    office: Office,
) -> None:
    book = Book(office)
    assert book.does("head.sc", signed(office, "head.sc", standing()), NOW) is None
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing())) == "signed_already"
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing(**TWO))) == "version"
    assert book.does("head.sc", signed(office, "head.sc", standing(version=2, **TWO)), NOW) is None
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing())) == "version"
    assert book.does("office.sc", ENDED, NOW) is None
    assert refused_act(book, "head.sc", signed(office, "head.sc", standing(version=2, **TWO))) == "version"
    assert book.does("head.sc", signed(office, "head.sc", standing(version=3)), NOW) is None
    assert book.cases.standing["tax", "scjg"].ended_at is None


def test_only_whoever_signs_for_the_provider_ends_its_lines_and_once(office: Office) -> None:
    book = Book(office)
    assert refused_act(book, "head.sc", ENDED) == "no_standing"
    assert book.does("head.sc", signed(office, "head.sc", standing()), NOW) is None
    assert refused_act(book, "clerk.sc", ENDED) == "role"
    assert refused_act(book, "head.sw", ENDED) == "no_standing"
    assert book.does("office.sc", ENDED, NOW + 5) is None
    assert book.cases.standing["tax", "scjg"].ended_at == NOW + 5
    assert refused_act(book, "office.sc", ENDED) == "ended"


def test_a_line_in_force_answers_for_the_provider_with_the_signature_it_was_signed_with(
    office: Office,
) -> None:
    book = submitted_book(office, asked(), asked("scjg.r2", 2))
    deed = signed(office, "head.sc", standing())
    assert book.does("head.sc", deed, NOW) is None
    assert book.does("head.ga", by_line(), NOW + 1) is None  # anybody may say it
    word = book.case.items["a.1"].decisions["provider"]
    assert (word.approved, word.by, word.at) == (True, "head.sc", NOW + 1)
    assert (word.standing, word.signature) == (deed.items[0], deed.signatures[0])
    step = book.case.history[-1]
    assert (step.deed, step.by, step.grants, step.side) == ("auto_replied", "head.ga", ("a.1",), "provider")
    assert "provider" not in book.case.items["a.2"].decisions
    assert book.case.status == "submitted"  # the subscriber's own signature is missing


@pytest.mark.parametrize(
    "other",
    [
        asked("scjg.r2"),
        asked(fields={"uscc": "pass", "name": "pass"}),
        asked(purpose="other"),
        asked(basis="other"),
        asked(before=True),
        asked(where="uscc = '1'"),
        asked(valid={"from": "2026-11-01", "until": "2027-11-01"}),
        asked(valid={"from": "2026-10-31", "until": "2027-10-31"}),
        asked().model_copy(update={"view": "another"}),
        asked().model_copy(update={"provider": "gaj"}),
    ],
)
def test_a_line_answers_nothing_but_exactly_what_it_says(office: Office, other: Asked) -> None:
    grant = other.grant
    book = submitted_book(
        office,
        other,
        purpose=grant.purpose,
        basis=grant.basis,
        valid=grant.valid.model_dump(mode="json", by_alias=True),
    )
    assert book.does("head.sc", signed(office, "head.sc", standing()), NOW) is None
    assert refused_act(book, "head.sc", by_line()) == "not_covered"


def test_a_line_that_is_ended_not_yet_or_no_more_in_force_answers_nothing(office: Office) -> None:
    begins, until = start_of_day_ms(standing().valid.from_), end_of_day_ms(standing().valid.until)
    assert shanghai_date(begins) == standing().valid.from_
    book = submitted_book(office, asked())
    assert book.does("head.sc", signed(office, "head.sc", standing()), 3000) is None
    assert refused_act(book, "head.sc", by_line(), begins - 1) == "not_covered"
    assert refused_act(book, "head.sc", by_line(), until + 1) == "not_covered"
    assert refused_act(book, "head.sc", by_line(1), NOW) == "not_covered"
    assert refused_act(book, "head.sc", by_line(-1), NOW) == "not_covered"
    assert refused_act(book, "head.sc", by_line(name="other"), NOW) == "not_covered"
    assert book.does("head.sc", ENDED, NOW) is None
    assert refused_act(book, "head.sc", by_line(), NOW) == "not_covered"


def test_what_the_law_gives_is_answered_by_nobody_and_only_by_someone_with_a_part_in_it(
    office: Office,
) -> None:
    free = AutoReplied(application="a", unconditional=("a.1",))
    book = submitted_book(office, asked("scjg.free"))
    assert refused_act(book, "head.ga", free) == "role"
    assert book.does("clerk.sw", free, NOW) is None
    word = book.case.items["a.1"].decisions["provider"]
    assert (word.approved, word.by, word.signature, word.standing) == (True, None, None, None)


def test_a_reply_is_given_once_to_a_submitted_application_and_to_grants_it_asks_for(office: Office) -> None:
    free = AutoReplied(application="a", unconditional=("a.1",))
    assert refused_act(Book(office), "bureau", free) == "unknown"
    book = submitted_book(office, asked("scjg.free"))
    assert refused_act(book, "bureau", AutoReplied(application="a")) == "not_as_written"
    assert refused_act(book, "bureau", AutoReplied(application="a", unconditional=("a.1", "a.1"))) == "not_as_written"
    assert refused_act(book, "bureau", AutoReplied(application="a", unconditional=("a.9",))) == "unknown_grant"
    assert book.does("bureau", free, NOW) is None
    assert refused_act(book, "bureau", free) == "decided"
    assert book.does("clerk.sw", Withdrawn(application="a"), NOW) is None
    assert refused_act(book, "bureau", free) == "withdrawn"


def test_a_reply_never_overrules_a_provider_who_refused(office: Office) -> None:
    book = submitted_book(office, asked("scjg.free"), asked("scjg.r1", 2))
    no = Refused(application="a", side="provider", grants=("a.1",), reason="no", article="Art. 15")
    assert book.does("head.sc", no, NOW) is None
    assert refused_act(book, "bureau", AutoReplied(application="a", unconditional=("a.1",))) == "decided"


def test_the_rules_are_called_by_the_log_under_their_deeds_names() -> None:
    from infra.control.applications.rules import RULES

    assert {RULES[k] for k in ("standing_signed", "standing_ended", "auto_replied")} == {
        standing_signed,
        standing_ended,
        auto_replied,
    }


def test_what_was_claimed_to_be_the_laws_word_the_provider_still_decides(office: Office) -> None:
    """A subscriber may claim it of a resource that is not shared unconditionally: that must not take the provider's word away."""
    claim = AutoReplied(application="a", unconditional=("a.1",))
    no = Refused(application="a", side="provider", grants=("a.1",), reason="no", article="Art. 15")

    def book() -> Book:
        made = submitted_book(office, asked())
        assert made.does("clerk.sw", claim, NOW) is None
        return made

    while_open = book()
    assert while_open.does("head.sc", no, NOW) is None
    assert while_open.case.status == "refused"
    over = book()
    assert over.does("head.sw", office.approved("head.sw", "subscriber", asked()), NOW) is None
    assert over.case.status == "approved"
    assert refused_act(over, "head.sc", no) == "decided"
    assert over.does("head.sc", office.approved("head.sc", "provider", asked()), NOW) is None
    assert over.case.items["a.1"].decisions["provider"].by == "head.sc"
    assert over.case.status == "approved"
    assert refused_act(over, "office.sc", office.approved("office.sc", "provider", asked())) == "decided"
