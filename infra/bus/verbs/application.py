"""bus application: apply for data in bulk, and everything that is done with an application until it is granted."""

from pathlib import Path
from typing import Annotated, Any

import typer

from infra.bus.output import confirm
from infra.bus.session import Session
from infra.bus.verbs.application_decisions import add_deciders
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group: the applicant's, the bureau's, and those of who decides."""
    say = session.say
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", add_completion=False)
    group.callback(
        help=say(
            "Apply for data; check, decide and follow applications. Who acts is whose key BUS_IDENTITY names.",
            "申请数据; 审查、审批与跟踪申请。操作人以 BUS_IDENTITY 所指私钥为准。",
        )
    )(lambda: None)
    _applicant(group, session)
    _bureau(group, session)
    add_deciders(group, session)
    app.add_typer(group, name="application", rich_help_panel=say("Sharing", "共享"))


def _id(session: Session) -> str:
    found: str = typer.Argument(metavar="ID", help=session.say("The application.", "申请编号。"))
    return found


def _yes(session: Session) -> bool:
    found: bool = typer.Option(False, "--yes", "-y", help=session.say("Do not ask.", "不再询问。"))
    return found


def _applicant(group: typer.Typer, session: Session) -> None:
    say = session.say

    @group.command(help=say("Draft an application from a file.", "由文件起草申请。"))
    def new(file: Annotated[Path, typer.Argument(help=say("The application (.yaml).", "申请文件(.yaml)。"))]) -> None:
        _new(session, file)

    @group.command(
        help=say(
            "Close its list of grants and ask for it; also the answer to a request for supplements.",
            "固化授权清单并提交; 补正后亦用此命令重新提交。",
        )
    )
    def submit(application: str = _id(session)) -> None:
        _submit(session, application)

    @group.command(name="list", help=say("Which applications there are.", "列出申请。"))
    def list_(
        status: Annotated[
            str | None,
            typer.Option(
                "--status",
                help=say("Only of this status, or with grants of it.", "仅列出该状态, 或含该状态授权的申请。"),
                show_default=False,
            ),
        ] = None,
    ) -> None:
        _list(session, status)

    @group.command(help=say("One in full: grants, fences, who did what when.", "查看详情: 授权、终止位点、经办记录。"))
    def show(application: str = _id(session)) -> None:
        _show(session, application)

    @group.command(help=say("The applicant wants it no more.", "撤回申请。"))
    def withdraw(application: str = _id(session), yes: bool = _yes(session)) -> None:
        _withdraw(session, application, yes)


def _bureau(group: typer.Typer, session: Session) -> None:
    say = session.say
    reason_help = say("Why.", "理由。")

    @group.command(
        help=say(
            "Say what is missing, all of it at once; once for an application.", "一次性告知须补正内容; 每项申请仅一次。"
        )
    )
    def supplement(
        application: str = _id(session),
        *,
        missing: Annotated[
            list[str],
            typer.Option(
                "--missing", help=say("One thing that is missing; may be repeated.", "一项缺失内容; 可多次给出。")
            ),
        ],
    ) -> None:
        from schemas.act import SupplementRequested

        _do(session, application, SupplementRequested, missing=tuple(missing))

    @group.command(help=say("The data bureau found its form complete.", "数据主管部门形式审查通过。"))
    def check(application: str = _id(session)) -> None:
        from schemas.act import FormChecked

        _do(session, application, FormChecked)

    @group.command(help=say("The data bureau grants more time for the reply, once.", "数据主管部门同意延期, 仅一次。"))
    def extend(
        application: str = _id(session),
        days: int = typer.Option(..., "--days", min=1, max=10, help=say("Working days.", "工作日数。")),
        reason: str = typer.Option(..., "--reason", help=reason_help),
    ) -> None:
        from schemas.act import Extended

        _do(session, application, Extended, working_days=days, reason=reason)

    @group.command(help=say("The data bureau's opinion in a dispute.", "数据主管部门协调意见。"))
    def mediate(
        application: str = _id(session),
        opinion: str = typer.Option(..., "--opinion", help=say("The opinion.", "意见。")),
    ) -> None:
        from schemas.act import Mediated

        _do(session, application, Mediated, opinion=opinion)


def _new(session: Session, file: Path) -> None:
    from infra.bus.application_shown import show_case
    from infra.control.applications.cases import draft
    from schemas.application import parse_application
    from schemas.errors import ConfigError
    from schemas.validation import parse_yaml, read_text

    documents = [d for d in parse_yaml(read_text(file), str(file)) if d is not None]
    if len(documents) != 1:
        raise ConfigError(
            Text(f"holds {len(documents)} documents; one application is drafted.", "须恰好包含一份申请。"),
            where=str(file),
            hint=Text("For several: bus apply FILE", "多份请用: bus apply 文件"),
        )
    application = parse_application(documents[0], str(file))
    show_case(session, draft(session.settings().located(), application))


def _submit(session: Session, application: str) -> None:
    from infra.bus.application_shown import show_case
    from infra.bus.output import warn
    from infra.bus.progress import progress
    from infra.control.applications.cases import answered, submit
    from schemas.errors import BusError

    settings = session.settings().located()
    failed: BusError | None = None
    with progress(session) as told:
        told.step(Text("closing the list of grants.", "正在固化授权清单。"))
        case, expanded = submit(settings, application)
        told.step(Text("looking up what no provider needs to decide.", "正在查找无须提供部门决定的内容。"))
        try:
            case = answered(settings, application)
        except BusError as error:  # it is submitted; the controller answers later, or 'bus standing reply'
            failed = error
    for resource, why in expanded.left_out.items():
        warn(session, Text(f"{resource} is left out: {why.en}", f"未包含 {resource}: {why.zh}"))
    show_case(session, case)
    if failed is not None:
        warn(
            session,
            Text(
                f"submitted, but not answered where that needs nobody: {failed.message('en')}",
                f"已提交, 但可自动答复的部分尚未答复: {failed.message('zh')}",
            ),
        )


def _list(session: Session, status: str | None) -> None:
    from infra.bus.application_shown import show_list
    from infra.control.applications.shown import list_applications

    show_list(session, list_applications(session.settings().located(), status=status))


def _show(session: Session, application: str) -> None:
    from infra.bus.application_shown import show_whole
    from infra.control.applications.shown import show_application

    show_whole(session, show_application(session.settings().located(), application))


def _do(session: Session, application: str, kind: Any, **more: object) -> None:
    from infra.bus.application_shown import show_case
    from infra.control.applications.cases import do
    from schemas.act import Deed
    from schemas.validation import build

    deed: Deed = build(kind, {"application": application, **more}, "bus application")
    show_case(session, do(session.settings().located(), application, deed))


def _withdraw(session: Session, application: str, yes: bool) -> None:
    from infra.bus.output import warn
    from infra.control.applications.shown import show_application
    from schemas.act import Withdrawn

    settings = session.settings().located()
    confirm(session, Text(f"Withdraw application {application}?", f"确定撤回申请 {application} 吗?"), yes=yes)
    _do(session, application, Withdrawn)
    live = [i.grant for i in show_application(settings, application).items if i.status == "granted"]
    if live:
        warn(
            session,
            Text(
                f"{len(live)} grants of it are in force already and go on until revoked: {', '.join(live[:5])}",
                f"其中 {len(live)} 项授权已生效, 在终止前继续有效: {', '.join(live[:5])}",
            ),
        )
