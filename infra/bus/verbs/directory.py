"""bus directory: departments, units and systems."""

from collections.abc import Mapping
from typing import Annotated, get_args

import typer

from infra.bus.output import facts, table
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        help=say("Who takes part: departments, units, systems.", "参与者: 部门、单位、系统。"),
    )
    of = typer.Option(None, "--department", help=say("Only of this one.", "仅该部门。"))
    words = typer.Option(None, "--find", help=say("Only with this in id or title.", "仅编号或名称含此词者。"))

    @group.command(help=say("Departments and districts, or all about one.", "列出部门与区县, 或查看其一。"))
    def departments(
        name: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None, find: str | None = words
    ) -> None:
        _list(session, "Department", name, None, find)

    @group.command(help=say("Units, or all about one.", "列出单位, 或查看其一。"))
    def units(
        name: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
        department: str | None = of,
        find: str | None = words,
    ) -> None:
        _list(session, "Unit", name, department, find)

    @group.command(help=say("Systems, or all about one.", "列出系统, 或查看其一。"))
    def systems(
        name: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None,
        department: str | None = of,
        find: str | None = words,
    ) -> None:
        _list(session, "System", name, department, find)

    @group.command(help=say("Take one out that nothing refers to.", "撤下一项(须无其他条目引用)。"))
    def withdraw(
        kind: str = typer.Argument(help=say("Department, Unit or System.", "Department、Unit 或 System。")),
        name: str = typer.Argument(metavar="ID", help=say("Its id.", "编号。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        _withdraw(session, kind, name, yes)

    app.add_typer(group, name="directory", rich_help_panel=say("Sharing", "共享"))


def _list(session: Session, kind: str, name: str | None, department: str | None, find: str | None) -> None:
    from infra.bus.register_words import show
    from infra.control.register.log import opened
    from infra.control.register.projection import folded
    from infra.control.register.put import unknown
    from schemas.directory import Department, System, Unit

    with opened(session.settings().located()) as projection:
        state = projection.state()
    of_kind: dict[str, Mapping[str, Department | Unit | System]] = {
        "Department": state.departments,
        "Unit": state.units,
        "System": state.systems,
    }
    known = of_kind[kind]
    if name is not None:
        one = known.get(name)
        if one is None:
            raise unknown(kind, name)
        facts(session, one) if session.json else show(session, one, {})
        return
    found = [
        d
        for d in known.values()
        if (department is None or getattr(d, "department", d.id) == department)
        and (find is None or folded(find) in folded(f"{d.id}\n{d.title}"))
    ]
    if session.json:
        facts(session, found)
        return
    say = session.say
    if kind == "Department":
        levels = {"city": say("city", "市级"), "district": say("district", "区县")}
        rows = [
            [d.id, d.title, d.code, levels[d.level], "、".join(d.certified)] for d in found if isinstance(d, Department)
        ]
        table(
            [
                say("id", "编号"),
                say("title", "名称"),
                say("code", "代码"),
                say("level", "层级"),
                say("certified for", "认证用途"),
            ],
            rows,
        )
        return
    owners = [say("department", "部门"), *([say("unit", "单位")] if kind == "System" else [])]
    more = [[getattr(d, "department"), *([getattr(d, "unit") or ""] if kind == "System" else [])] for d in found]  # noqa: B009
    table(
        [say("id", "编号"), say("title", "名称"), *owners],
        [[d.id, d.title, *m] for d, m in zip(found, more, strict=True)],
    )


def _withdraw(session: Session, kind: str, name: str, yes: bool) -> None:
    from infra.bus.register_words import withdraw
    from schemas.errors import ConfigError
    from schemas.register_log import Kind

    wanted = next((k for k in get_args(Kind) if k.lower() == kind.lower() and k != "CatalogueEntry"), None)
    if wanted is None:
        raise ConfigError(
            Text("a kind is Department, Unit or System.", "类别须为 Department、Unit 或 System。"), where=kind
        )
    withdraw(session, wanted, name, yes)
