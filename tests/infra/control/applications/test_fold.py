"""The rules of applications, each with real keys: who may do what, when, and what has no effect."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.control.applications.why import WHY
from schemas.act import (
    Approved,
    Deed,
    Drafted,
    Extended,
    FormChecked,
    Mediated,
    Refused,
    Submitted,
    SupplementRequested,
    Withdrawn,
)
from schemas.clock import end_of_day_ms
from tests.infra.control.applications.office import Book, Office, application, asked, submitted_book

CHECKED = FormChecked(application="a")
MISSING = SupplementRequested(application="a", missing=("legal basis", "scope"))
WITHDRAWN = Withdrawn(application="a")


def refusal(*grants: str, side: str = "provider", reason: str = "no", article: str = "Art. 15") -> Refused:
    return Refused.model_validate(
        {"application": "a", "side": side, "grants": grants or ("a.1",), "reason": reason, "article": article}
    )


def test_from_draft_to_approval_everything_is_remembered_with_who_and_when(office: Office) -> None:
    book = submitted_book(office)
    assert book.does("bureau", CHECKED) is None
    assert book.does("head.sw", office.approved("head.sw", "subscriber", asked())) is None
    assert book.status == "submitted"
    assert book.does("head.sc", office.approved("head.sc", "provider", asked())) is None
    assert book.status == "approved"
    assert [(s.deed, s.by, s.department, s.at) for s in book.case.history] == [
        ("drafted", "clerk.sw", "shuiwu", 0),
        ("submitted", "clerk.sw", "shuiwu", 1000),
        ("form_checked", "bureau", "dsjj", 2000),
        ("approved", "head.sw", "shuiwu", 3000),
        ("approved", "head.sc", "scjg", 4000),
    ]


def test_what_is_no_act_or_not_signed_by_whom_it_names_changes_nothing(office: Office) -> None:
    book = Book(office)
    assert book.add(None) == "unreadable"
    assert book.add(office.act("clerk.sw", Drafted(application=application()), key="head.sc")) == "signature"
    forged = office.act("clerk.sw", Drafted(application=application()))
    assert book.add(forged.model_copy(update={"deed": Drafted(application=application(title="other"))})) == "signature"
    assert book.add(forged.model_copy(update={"by": "head.sw"})) == "signature"
    assert not book.cases.cases


def test_a_copied_act_has_no_effect_even_if_the_first_had_none_either(office: Office) -> None:
    book = submitted_book(office)
    too_early = office.act("clerk.sw", Submitted(application="a", asked=(asked(),)))
    assert book.add(too_early) == "submitted"
    book.does("bureau", MISSING)
    assert book.add(too_early) == "repeated"
    assert book.status == "supplement_requested"


def test_an_act_counts_by_the_logs_time_of_it_up_to_the_last_day_of_its_persons_key(office: Office) -> None:
    file = office.folder / "shuiwu.yaml"
    file.write_text(file.read_text().replace("  clerk.sw:", "  clerk.sw:\n    until: 2026-11-24"))
    book = Book(office)
    last = end_of_day_ms(dt.date(2026, 11, 24))
    assert book.does("clerk.sw", Drafted(application=application()), at=last) is None
    late = office.act("clerk.sw", Submitted(application="a", asked=(asked(),)))
    assert book.add(late, at=last + 1) == "lapsed"
    assert book.status == "draft", "what was done in time stands"
    assert book.does("office.sw", Submitted(application="a", asked=(asked(),)), at=last + 2) is None


@pytest.mark.parametrize(
    ("who", "why"), [("head.sc", "role"), ("head.ga", "role"), ("clerk.sw", None), ("bureau", None)]
)
def test_a_draft_is_filed_by_a_subscriber_or_the_bureau(office: Office, who: str, why: str | None) -> None:
    assert Book(office).does(who, Drafted(application=application())) == why


def test_a_draft_changes_until_it_is_submitted_and_only_by_its_department(office: Office) -> None:
    book = Book(office)
    book.does("clerk.sw", Drafted(application=application()))
    assert book.does("head.sw", Drafted(application=application(title="new"))) is None
    assert book.does("clerk.sc", Drafted(application=application(subscribers=["scjg"]))) == "taken"
    assert book.does("clerk.sc", Submitted(application="a", asked=(asked(),))) == "role"
    book.does("clerk.sw", Submitted(application="a", asked=(asked(),)))
    assert book.does("clerk.sw", Drafted(application=application())) == "submitted"
    assert book.case.application.title == "new"


@pytest.mark.parametrize(
    "item",
    [
        asked(subscriber="gaj"),
        asked(purpose="other"),
        asked(basis="other"),
        asked(id="b.1"),
        asked(id="a.x"),
        asked(audience="public"),
        asked(valid={"from": "2026-11-01", "until": "2030-10-31"}),
    ],
)
def test_nothing_is_submitted_that_the_application_does_not_ask_for(office: Office, item: object) -> None:
    book = Book(office)
    book.does("clerk.sw", Drafted(application=application()))
    assert book.does("clerk.sw", Submitted.model_validate({"application": "a", "asked": [item]})) == "not_as_drafted"


def test_the_same_grant_is_not_asked_for_twice_in_a_list(office: Office) -> None:
    book = Book(office)
    book.does("clerk.sw", Drafted(application=application()))
    assert book.does("clerk.sw", Submitted(application="a", asked=(asked(), asked()))) == "not_as_drafted"


def test_supplements_are_requested_once_and_answered_by_submitting_again(office: Office) -> None:
    book = submitted_book(office)
    assert book.does("clerk.sc", MISSING) is None
    assert book.status == "supplement_requested"
    assert book.case.history[-1].note == "legal basis; scope"
    assert book.does("head.sc", office.approved("head.sc", "provider", asked())) == "supplement_requested"
    assert book.does("clerk.sw", Drafted(application=application(scope="less"))) is None
    assert book.status == "supplement_requested"
    assert book.does("clerk.sw", Submitted(application="a", asked=(asked(),))) is None
    assert book.does("bureau", MISSING) == "once"
    assert book.status == "submitted"


@pytest.mark.parametrize("who", ["head.ga", "clerk.sw"])
def test_supplements_are_requested_by_the_bureau_or_the_providers_people(office: Office, who: str) -> None:
    assert submitted_book(office).does(who, MISSING) == "role"


def test_an_answer_to_a_request_leaves_alone_what_was_decided(office: Office) -> None:
    book = submitted_book(office, asked(1), asked(2, provider="gaj"))
    book.does("head.sc", refusal("a.1"))
    book.does("head.ga", MISSING)
    changed = asked(1, fields={"uscc": "pass", "name": "pass"})
    assert book.does("clerk.sw", Submitted(application="a", asked=(changed, asked(2)))) == "decided"
    assert book.does("clerk.sw", Submitted(application="a", asked=(asked(2),))) == "decided"
    assert book.does("clerk.sw", Submitted(application="a", asked=(asked(1), asked(3)))) is None
    assert book.case.items["a.1"].outcome == "refused"


def test_the_bureau_checks_extends_once_and_mediates_and_nobody_else_does(office: Office) -> None:
    book = submitted_book(office)
    more = Extended(application="a", working_days=10, reason="many")
    opinion = Mediated(application="a", opinion="share it")
    for deed in (CHECKED, more, opinion):
        assert book.does("head.sc", deed) == "role"
        assert book.does("bureau", deed) is None
    assert book.does("bureau", CHECKED) == "once"
    assert book.does("bureau", more) == "once"
    assert book.case.history[-2].days == 10
    assert book.status == "submitted"


def test_the_bureau_never_approves_not_even_its_own_head(office: Office) -> None:
    mine = asked(provider="dsjj")
    book = submitted_book(office, mine)
    assert book.does("bureau", office.approved("bureau", "provider", mine)) == "role"
    assert book.does("bureau.head", office.approved("bureau.head", "provider", mine)) == "bureau"
    assert book.does("head.ds", office.approved("head.ds", "provider", mine)) is None


@pytest.mark.parametrize(
    ("who", "side"),
    [("clerk.sc", "provider"), ("head.ga", "provider"), ("head.sw", "provider"), ("head.sc", "subscriber")],
)
def test_only_who_signs_for_that_side_approves(office: Office, who: str, side: str) -> None:
    deed = office.approved(who, side, asked())  # type: ignore[arg-type]
    assert submitted_book(office).does(who, deed) == "role"


def test_nobody_approves_what_they_filed_themselves(office: Office) -> None:
    book = Book(office)
    book.does("head.sw", Drafted(application=application()))
    book.does("clerk.sw", Submitted(application="a", asked=(asked(),)))
    assert book.does("head.sw", office.approved("head.sw", "subscriber", asked())) == "own"
    assert book.does("office.sw", office.approved("office.sw", "subscriber", asked())) is None


def test_nobody_signs_for_both_sides(office: Office) -> None:
    inside = asked(provider="shuiwu")
    book = submitted_book(office, inside)
    assert book.does("head.sw", office.approved("head.sw", "subscriber", inside)) is None
    assert book.does("head.sw", office.approved("head.sw", "provider", inside)) == "both_sides"
    assert book.does("office.sw", office.approved("office.sw", "provider", inside)) is None


def test_each_grant_is_signed_as_it_would_be_executed_for_that_side_and_by_that_person(office: Office) -> None:
    book = submitted_book(office, asked(1), asked(2))
    wider = asked(2, fields={"uscc": "pass", "name": "pass"})
    wrong: list[Deed] = [
        office.approved("head.sc", "provider", asked(1), wider),
        office.approved("head.sc", "provider", asked(1), key="office.sc"),
        Approved(
            application="a",
            side="provider",
            signatures=office.approved("head.sc", "subscriber", asked(1)).signatures,
        ),
    ]
    assert [book.does("head.sc", deed) for deed in wrong] == ["signature"] * 3
    assert all(not item.decisions for item in book.case.items.values())
    assert book.does("head.sc", office.approved("head.sc", "provider", asked(3))) == "unknown_grant"


def test_of_two_approvers_at_once_the_second_has_no_effect(office: Office) -> None:
    book = submitted_book(office, asked(1), asked(2))
    acts = [office.act(who, office.approved(who, "provider", asked(1))) for who in ("head.sc", "office.sc")]
    assert [book.add(act) for act in acts] == [None, "decided"]
    assert book.case.items["a.1"].decisions["provider"].by == "head.sc"
    both = office.approved("office.sc", "provider", asked(1), asked(2))
    assert book.does("office.sc", both) == "decided"
    assert not book.case.items["a.2"].decisions


def test_a_refusal_has_reason_and_article_and_settles_the_grant(office: Office) -> None:
    book = submitted_book(office)
    assert book.does("head.sc", refusal(reason=" ")) == "reason"
    assert book.does("head.sc", refusal(article=" ")) == "reason"
    assert book.does("clerk.sc", refusal()) == "role"
    assert book.does("head.sc", refusal()) is None
    assert (book.status, book.case.history[-1].note) == ("refused", "no (Art. 15)")
    assert book.does("head.sw", office.approved("head.sw", "subscriber", asked())) == "decided"


def test_some_approved_and_some_refused_is_partly_approved(office: Office) -> None:
    book = submitted_book(office, asked(1), asked(2))
    book.does("head.sw", office.approved("head.sw", "subscriber", asked(1), asked(2)))
    book.does("head.sc", office.approved("head.sc", "provider", asked(1)))
    assert book.status == "submitted"
    book.does("head.sc", refusal("a.2"))
    assert book.status == "partly_approved"
    assert [i.outcome for i in book.case.items.values()] == ["approved", "refused"]


def test_approval_of_a_withdrawn_application_has_no_effect(office: Office) -> None:
    book = submitted_book(office)
    assert book.does("head.sc", WITHDRAWN) == "role"
    assert book.does("clerk.sw", WITHDRAWN) is None
    assert book.does("head.sc", office.approved("head.sc", "provider", asked())) == "withdrawn"
    assert book.does("clerk.sw", WITHDRAWN) == "withdrawn"
    assert book.status == "withdrawn"


def test_what_is_decided_is_not_withdrawn_any_more(office: Office) -> None:
    book = submitted_book(office)
    book.does("head.sc", refusal())
    assert book.does("clerk.sw", WITHDRAWN) == "refused"


def test_a_case_s_time_never_runs_backwards(office: Office) -> None:
    book = Book(office)
    book.does("clerk.sw", Drafted(application=application()), at=5000)
    book.does("clerk.sw", Submitted(application="a", asked=(asked(),)), at=9000)
    book.does("bureau", CHECKED, at=100)
    book.does("head.sc", refusal(), at=9001)
    assert [s.at for s in book.case.history] == [5000, 9000, 9000, 9001]


def test_what_names_no_application_has_no_effect(office: Office) -> None:
    book = Book(office)
    deeds: list[tuple[str, Deed]] = [
        ("clerk.sw", Submitted(application="a", asked=(asked(),))),
        ("bureau", MISSING),
        ("bureau", CHECKED),
        ("bureau", Extended(application="a", working_days=1, reason="r")),
        ("bureau", Mediated(application="a", opinion="o")),
        ("head.sc", office.approved("head.sc", "provider", asked())),
        ("head.sc", refusal()),
        ("clerk.sw", WITHDRAWN),
    ]
    assert {book.does(who, deed) for who, deed in deeds} == {"unknown"}


def test_every_word_is_explained_in_both_languages() -> None:
    assert all(words.en and words.zh for words in WHY.values())
