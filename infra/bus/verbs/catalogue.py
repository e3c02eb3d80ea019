"""bus catalogue: finding data, and keeping the catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from infra.bus.output import confirm, facts, note, table, warn, write
from infra.bus.progress import progress
from infra.bus.register_words import CLASSES, OPEN, SHARING, UPDATES, applied_rows, entries_told, show
from infra.bus.session import Session
from schemas.text import Text


def add(app: typer.Typer, session: Session) -> None:
    """The verbs of this group."""
    say = session.say
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        help=say(
            "The catalogue of data resources: find, show, report, import, export.",
            "数据资源目录: 检索、查看、统计、导入、导出。",
        ),
    )
    _reading(group, session)
    _writing(group, session)
    app.add_typer(group, name="catalogue", rich_help_panel=say("Sharing", "共享"))


def _reading(group: typer.Typer, session: Session) -> None:
    say = session.say

    @group.command(help=say("Find entries by words; all of them must occur.", "按词检索, 各词须同时出现。"))
    def search(
        text: Annotated[list[str] | None, typer.Argument(help=say("Words.", "检索词。"), show_default=False)] = None,
        provider: str | None = typer.Option(None, help=say("Of this department.", "提供部门编号。")),
        class_: str | None = typer.Option(
            None, "--class", help=say("base, topic or department.", "base、topic 或 department。")
        ),
        domain: str | None = typer.Option(None, help=say("Such as base:法人, or 法人.", "如 base:法人, 或 法人。")),
        sharing: str | None = typer.Option(
            None, help=say("unconditional, conditional or refused.", "unconditional、conditional 或 refused。")
        ),
        open_: str | None = typer.Option(
            None, "--open", help=say("Open attribute, the same words.", "开放属性, 取值同上。")
        ),
        update: str | None = typer.Option(None, help=say("Update frequency.", "更新频率。")),
        level: str | None = typer.Option(None, help=say("Level of classification.", "数据级别。")),
        personal: str | None = typer.Option(
            None, help=say("none, personal or sensitive.", "none、personal 或 sensitive。")
        ),
        connected: bool | None = typer.Option(
            None, "--connected/--catalogued", help=say("Only with (without) a contract.", "仅已挂接(仅已编目未挂接)。")
        ),
        limit: int = typer.Option(20, min=1, max=100_000, help=say("At most so many.", "最多条数。")),
    ) -> None:
        from infra.control.register.search import Query

        words = " ".join(text or ())
        _search(
            session,
            Query(words, provider, class_, domain, sharing, open_, update, level, personal, connected, limit),
        )

    @group.command("show", help=say("Everything about one entry.", "查看一条目录的全部内容。"))
    def show_(entry: str = typer.Argument(help=say("Its id.", "资源编号。"))) -> None:
        _show(session, entry)

    @group.command(
        help=say("Catalogued and connected, by department, and what is late.", "按部门统计已编目、已挂接及逾期未更新。")
    )
    def coverage() -> None:
        _coverage(session)


def _writing(group: typer.Typer, session: Session) -> None:
    say = session.say

    @group.command(
        "import",
        help=say("Put the entries of a .csv or .xlsx file, all or none.", "导入 .csv 或 .xlsx 文件, 全部或全不。"),
    )
    def import_(
        file: Annotated[Path, typer.Argument(help=say("The table.", "表格文件。"))],
        dry_run: bool = typer.Option(
            False, "--dry-run", help=say("Only say what would change.", "仅显示将发生的变化。")
        ),
    ) -> None:
        _import(session, file, dry_run)

    @group.command(help=say("Write all entries to a .csv or .xlsx file.", "将全部目录写入 .csv 或 .xlsx 文件。"))
    def export(
        file: Annotated[
            Path,
            typer.Argument(help=say("The table; by its ending CSV or Excel.", "表格文件, 按扩展名为 CSV 或 Excel。")),
        ],
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        _export(session, file, yes)

    @group.command(help=say("Take an entry out of the catalogue.", "从目录中撤下一条。"))
    def withdraw(
        entry: str = typer.Argument(help=say("Its id.", "资源编号。")),
        yes: bool = typer.Option(False, "--yes", "-y", help=say("Do not ask.", "不再询问。")),
    ) -> None:
        from infra.bus.register_words import withdraw as withdraw_

        withdraw_(session, "CatalogueEntry", entry, yes)

    @group.command(
        help=say(
            "Write a generated city: 48 departments and districts, 375 units, 1,748 systems, 18,725 entries.",
            "生成示例城市: 48 个部门与区县、375 个单位、1,748 个系统、18,725 条目录。",
        )
    )
    def sample(folder: Annotated[Path, typer.Argument(help=say("A new folder.", "新目录。"))]) -> None:
        from infra.control.register.sample.files import write_sample

        with progress(session) as told:
            told.step(Text("Writing the sample", "正在生成示例"))
            files = write_sample(folder)
        if session.json:
            facts(session, files)
            return
        write(
            session.say(
                f"{len(files)} files; next: bus apply {folder}", f"共 {len(files)} 个文件; 下一步: bus apply {folder}"
            )
        )


def _search(session: Session, query: object) -> None:
    from infra.control.register.log import opened
    from infra.control.register.search import Query, search

    assert isinstance(query, Query)
    with opened(session.settings().located()) as projection:
        found = search(projection, query)
    if session.json:
        facts(session, found)
        return
    if not found.total:
        note(
            session,
            Text("No entry matches: try fewer words or filters.", "没有匹配的条目: 请减少关键词或筛选条件。"),
        )
        return
    say, lang = session.say, session.language
    headings = [say("id", "编号"), say("title", "名称"), say("provider", "提供部门"), say("domain", "类别")]
    rows = [
        [
            h.id,
            h.title,
            h.provider,
            h.domain,
            SHARING[h.sharing].to(lang),
            UPDATES[h.update].to(lang),
            say("connected", "已挂接") if h.connected else say("catalogued", "已编目"),
        ]
        for h in found.hits
    ]
    table([*headings, say("sharing", "共享属性"), say("update", "更新频率"), say("state", "状态")], rows, cut=(1,))
    if found.total > len(found.hits):
        note(
            session,
            Text(
                f"{len(found.hits)} of {found.total}; --limit shows more.",
                f"显示 {len(found.hits)} / {found.total} 条; 可用 --limit 显示更多。",
            ),
        )


def _show(session: Session, name: str) -> None:
    from infra.control.register.log import opened
    from infra.control.register.put import unknown

    with opened(session.settings().located()) as projection:
        state = projection.state()
        entry, connected = state.entry(name), name in projection.contracts()
    if entry is None:
        raise unknown("CatalogueEntry", name)
    if session.json:
        facts(session, {**entry.model_dump(mode="json", by_alias=True), "connected": connected})
        return
    show(session, entry, {"class": CLASSES, "sharing": SHARING, "open": OPEN, "update": UPDATES})
    write(
        session.say("state: ", "状态: ")
        + (session.say("connected", "已挂接") if connected else session.say("catalogued", "已编目"))
    )


def _coverage(session: Session) -> None:
    import time

    from infra.control.register.coverage import coverage

    found = coverage(session.settings().located(), int(time.time() * 1000))
    if session.json:
        facts(session, found)
        return
    say = session.say
    headings = [
        say("department", "部门"),
        say("title", "名称"),
        say("catalogued", "已编目"),
        say("connected", "已挂接"),
    ]
    headings += [say("fresh", "按期"), say("late", "逾期"), say("empty", "无数据"), say("irregular", "不定期")]
    rows = [
        [d.department, d.title, d.catalogued, d.connected, d.fresh, d.late, d.empty, d.irregular]
        for d in found.departments
    ]
    sums = [sum(row[n] for row in rows) for n in range(2, 8)]  # type: ignore[misc]  # numbers from the third column on
    table(headings, [*rows, ["", say("all", "合计"), *sums]])
    for late in found.late:
        warn(session, Text(f"{late.id} is late ({late.update}).", f"{late.id} 逾期未更新({UPDATES[late.update].zh})。"))
    for name, why in found.contradicting.items():
        warn(session, Text(f"{name}: {why.en}", f"{name}: {why.zh}"))
    for name in found.uncatalogued:
        warn(session, Text(f"{name} has a contract and no entry.", f"{name} 有契约但未编目。"))


def _import(session: Session, file: Path, dry_run: bool) -> None:
    import time

    from infra.control.register.put import plan_register, put_register
    from infra.control.register.sheet import check_ending, read_sheet

    check_ending(file)
    with progress(session) as told:
        told.step(Text(f"Reading {file}", f"正在读取 {file}"))
        rows = read_sheet(file)
        settings = session.settings().located()
        if dry_run:
            found = plan_register(settings, rows, {})
        else:
            found = put_register(
                settings, rows, {}, by=session.person, now_ms=int(time.time() * 1000), told=entries_told(told)
            )
    if session.json:
        facts(session, found)
        return
    table(
        [
            session.say("action", "操作"),
            session.say("kind", "类别"),
            session.say("id", "编号"),
            session.say("detail", "详情"),
        ],
        applied_rows(session, found),
    )
    if dry_run:
        note(session, Text("Nothing was written (--dry-run).", "未写入任何内容(--dry-run)。"))


def _export(session: Session, file: Path, yes: bool) -> None:
    from infra.control.register.log import opened
    from infra.control.register.sheet import check_ending, write_sheet

    check_ending(file)
    if file.exists():
        confirm(session, Text(f"Replace {file}?", f"确定覆盖 {file} 吗?"), yes=yes)
    with opened(session.settings().located()) as projection:
        entries = projection.state().catalogue.values()
    write_sheet(file, entries, session.language)
    if session.json:
        facts(session, {"file": file, "entries": len(entries)})
        return
    write(session.say(f"{len(entries)} entries in {file}", f"已写入 {len(entries)} 条至 {file}"))
