"""bus application approve, refuse: the words of those who decide."""

from typing import TYPE_CHECKING, Annotated

import typer

from infra.bus.output import confirm
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from schemas.approval import Side


def add_deciders(group: typer.Typer, session: Session) -> None:
    """The two verbs."""
    say = session.say
    side_help = say(
        "provider or subscriber; needed only of who signs on both.", "provider 或 subscriber; 仅双方均有权时须指明。"
    )
    id_help, yes_help = say("The application.", "申请编号。"), say("Do not ask.", "不再询问。")
    only_help = say(
        "Only grants whose id or resource it meets; may be repeated.", "仅限编号或资源匹配的授权; 可多次给出。"
    )

    @group.command(
        help=say(
            "Sign for your side; what both sides have signed is granted at once.",
            "代表本方签名同意; 双方均同意即开通。",
        )
    )
    def approve(
        application: Annotated[str, typer.Argument(metavar="ID", help=id_help)],
        side: str | None = typer.Option(None, "--side", help=side_help, show_default=False),
        only: Annotated[list[str] | None, typer.Option("--only", help=only_help, show_default=False)] = None,
        grant: bool = typer.Option(
            True,
            "--grant/--no-grant",
            help=say("Grant at once, or leave it to the controller.", "立即开通, 或留待控制器开通。"),
        ),
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _approve(session, application, side, only or [], grant, yes)

    @group.command(help=say("Refuse for your side, with reason and article.", "代表本方不予同意, 须写明理由与条款。"))
    def refuse(
        application: Annotated[str, typer.Argument(metavar="ID", help=id_help)],
        reason: str = typer.Option(..., "--reason", help=say("Why.", "理由。")),
        article: str = typer.Option(..., "--article", help=say("The law it rests on.", "依据条款。")),
        side: str | None = typer.Option(None, "--side", help=side_help, show_default=False),
        only: Annotated[list[str] | None, typer.Option("--only", help=only_help, show_default=False)] = None,
        yes: bool = typer.Option(False, "--yes", "-y", help=yes_help),
    ) -> None:
        _refuse(session, application, (reason, article), side, only or [], yes)


def _approve(session: Session, application: str, side: str | None, only: list[str], grant: bool, yes: bool) -> None:
    from infra.bus.application_shown import show_decided
    from infra.bus.progress import progress
    from infra.control.applications.cases import approve
    from infra.control.applications.granting import Granted, grant_approved
    from schemas.errors import BusError

    settings = session.settings().located()
    confirm(session, Text(f"Sign your approval of {application}?", f"确定对 {application} 签名同意吗?"), yes=yes)
    failed: BusError | None = None
    done = Granted((), {})
    with progress(session) as told:
        told.step(Text("signing.", "正在签名。"))
        case, signed = approve(settings, application, side=_side(side), only=only)
        if grant:
            try:
                done = grant_approved(settings, [application], by=session.person, told=told.step)
            except BusError as error:  # the approval stands; whoever may write the control log grants it later
                failed = error
    show_decided(session, case, signed, done, failed)


def _refuse(
    session: Session, application: str, why: tuple[str, str], side: str | None, only: list[str], yes: bool
) -> None:
    from infra.bus.application_shown import show_decided
    from infra.control.applications.cases import refuse

    settings = session.settings().located()
    confirm(session, Text(f"Refuse {application}?", f"确定不予同意 {application} 吗?"), yes=yes)
    reason, article = why
    case, refused = refuse(settings, application, reason=reason, article=article, side=_side(side), only=only)
    show_decided(session, case, refused)


def _side(side: str | None) -> "Side | None":
    from schemas.errors import ConfigError

    if side is None:
        return None
    if side == "provider":
        return "provider"
    if side == "subscriber":
        return "subscriber"
    raise ConfigError(Text("a side is provider or subscriber.", "--side 须为 provider 或 subscriber。"), where="--side")
