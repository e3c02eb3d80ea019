"""What is answered by itself."""

from __future__ import annotations

from infra.control.standing.reply import auto_reply
from schemas.act import AutoReplied, StandingEnded
from schemas.clock import end_of_day_ms
from tests.infra.control.applications.office import Book, Office, submitted_book
from tests.infra.control.standing.policies import CONTRACTS, NOW, signed, standing
from tests.infra.control.standing.test_rules import asked
from tests.infra.control.world import contract


def three(office: Office) -> Book:
    """One grant a line covers, one that is shared unconditionally, one that its provider must decide."""
    book = submitted_book(office, asked(), asked("scjg.free", 2), asked("gaj.r1", 3))
    assert book.does("head.sc", signed(office, "head.sc", standing()), NOW) is None
    return book


def test_what_a_line_covers_and_what_is_unconditional_is_one_reply_of_its_application(office: Office) -> None:
    book = three(office)
    [reply] = auto_reply(book.cases, CONTRACTS, NOW)
    assert reply == AutoReplied(application="a", standing={"a.1": ("tax", 0)}, unconditional=("a.2",))
    assert book.does("bureau", reply, NOW) is None
    assert auto_reply(book.cases, CONTRACTS, NOW) == []
    assert "provider" not in book.case.items["a.3"].decisions


def test_nothing_is_answered_by_a_line_that_is_ended_or_over(office: Office) -> None:
    book = three(office)
    [later] = auto_reply(book.cases, CONTRACTS, end_of_day_ms(standing().valid.until) + 1)
    assert later.standing == {}
    assert book.does("head.sc", StandingEnded(standing="tax"), NOW) is None
    [reply] = auto_reply(book.cases, CONTRACTS, NOW)
    assert (reply.standing, reply.unconditional) == ({}, ("a.2",))


def test_nothing_is_answered_that_the_contract_in_force_no_longer_gives_so(office: Office) -> None:
    book = three(office)
    handed_over = {"scjg.r1": contract("scjg.r1", provider="gaj"), "scjg.free": contract("scjg.free")}
    assert auto_reply(book.cases, CONTRACTS | handed_over, NOW) == []
    assert auto_reply(book.cases, {}, NOW) == []


def test_unconditional_is_among_government_only(office: Office) -> None:
    free = contract("scjg.free", sharing="unconditional", open=True)
    asks = asked("scjg.free")
    public = asks.model_copy(update={"grant": asks.grant.model_copy(update={"audience": "enterprise"})})
    book = submitted_book(office, public, audience="enterprise")
    assert auto_reply(book.cases, {"scjg.free": free}, NOW) == []
