"""bus explain: what happened to a record under a grant, and why."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from infra.bus.output import facts, note, table, write
from infra.bus.session import Session
from schemas.text import Text

if TYPE_CHECKING:
    from infra.control.explaining.explain import Asked
    from infra.control.explaining.facts import Explained, Place


def add(app: typer.Typer, session: Session) -> None:
    """The verb of this group."""
    say = session.say

    @app.command(
        rich_help_panel=say("Sharing", "共享"),
        help=say(
            "Say what happened to a record under a grant and why: policy epoch, filter, masks, place in the grant's topic, or "
            "the reason it was not released. Never shows what a record holds.",
            "说明某条记录在某项授权下的处理情况及原因: 策略序号、过滤、脱敏、放行位点或未放行原因。从不显示记录内容。",
        ),
    )
    def explain(
        grant: str | None = typer.Option(None, "--grant", "-g", help=say("Its id.", "授权编号。")),
        subscriber: str | None = typer.Option(
            None, "--subscriber", help=say("Instead: all grants of a department.", "或: 某部门的全部授权。")
        ),
        resource: str | None = typer.Option(
            None, "--resource", help=say("With --subscriber: only on this one.", "与 --subscriber 合用: 仅此资源。")
        ),
        key: str | None = typer.Option(
            None, "--key", help=say('A raw key as JSON: \'{"uscc": "…"}\'.', '原始主键(JSON): \'{"uscc": "…"}\'。')
        ),
        source: str | None = typer.Option(
            None,
            "--source",
            metavar="PARTITION:OFFSET",
            help=say("A place in the resource's source topic.", "源主题中的位置。"),
        ),
        at: str | None = typer.Option(
            None,
            "--at",
            metavar="PARTITION:OFFSET",
            help=say("A place in the grant's topic.", "授权主题中的位置。"),
        ),
        limit: int = typer.Option(
            1_000_000,
            min=1,
            help=say("Records of each partition searched for a key.", "按主键检索时每个分区检索的记录数。"),
        ),
    ) -> None:
        asked = _asked(key, source, at)
        _explain(session, _whose(grant, subscriber, resource, asked), asked, limit)


@dataclass(frozen=True, slots=True)
class _Whose:
    """One grant, or those of a department."""

    grant: str | None
    subscriber: str | None
    resource: str | None


def _whose(grant: str | None, subscriber: str | None, resource: str | None, asked: "Asked") -> _Whose:
    from schemas.errors import ConfigError

    if (grant is None) == (subscriber is None) or (grant is not None and resource is not None):
        raise ConfigError(
            Text(
                "say --grant, or --subscriber and perhaps --resource.",
                "须给出 --grant, 或 --subscriber(可加 --resource)。",
            ),
            where="bus explain",
        )
    if grant is None and (asked.at is not None or (asked.source is not None and resource is None)):
        raise ConfigError(
            Text(
                "a place is one in the topic of a grant (--grant) or of a resource (--resource).",
                "位点须属于某项授权(--grant)或某资源(--resource)的主题。",
            ),
            where="bus explain",
        )
    return _Whose(grant, subscriber, resource)


def _explain(session: Session, whose: _Whose, asked: "Asked", limit: int) -> None:
    from infra.control.explaining.explain import explain, grants_of

    settings = session.settings().located()
    grants = [whose.grant] if whose.grant else grants_of(settings, whose.subscriber or "", whose.resource, asked.key)
    found = [
        fact
        for grant in grants
        for fact in explain(settings, grant, asked, limit=limit, told=lambda text: note(session, text))
    ]
    if session.json:
        facts(session, found)
        return
    if not found:
        note(
            session,
            Text(
                f"the source topic has no record of this key among the newest {limit:,} of each partition.",
                f"源主题各分区最新 {limit:,} 条记录中没有该主键的记录。",
            ),
        )
    for one in found:
        _show(session, one)


def _asked(key: str | None, source: str | None, at: str | None) -> "Asked":
    from infra.control.explaining.explain import Asked
    from schemas.errors import ConfigError
    from schemas.validation import parse_json

    if sum(given is not None for given in (key, source, at)) != 1:
        raise ConfigError(
            Text("say one of --key, --source and --at.", "--key、--source、--at 须择一给出。"), where="bus explain"
        )
    if key is not None:
        document = parse_json(key, "--key")
        if not isinstance(document, dict):
            raise ConfigError(
                Text("a key is a JSON object, a value for each key field.", "主键须为 JSON 对象, 逐字段给出。"),
                where="--key",
            )
        return Asked(key=document)
    return Asked(source=_place(source, "--source")) if source else Asked(at=_place(at or "", "--at"))


def _place(text: str, option: str) -> "Place":
    from infra.control.explaining.facts import Place
    from schemas.errors import ConfigError

    partition, _, offset = text.partition(":")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise ConfigError(
            Text("a place is PARTITION:OFFSET, such as 0:1234.", "位置写作 分区:位点, 例如 0:1234。"), where=option
        )
    return Place(int(partition), int(offset))


def _show(session: Session, one: "Explained") -> None:
    say, lang = session.say, session.language
    reason = f" ({one.reason})" if one.reason else ""
    write(f"{one.resource} {one.source.partition}:{one.source.offset}  {one.meaning.to(lang)}{reason}")
    rows: list[list[str]] = []
    if one.at is not None:
        moment = dt.datetime.fromtimestamp(one.at / 1000, dt.UTC).isoformat(timespec="milliseconds")
        how = say("as history", "作为历史补发") if one.history else say("live", "实时")
        rows.append([say("judged", "判定"), f"{moment}, {how}, {say('policy epoch', '策略序号')} {one.epoch}"])
    state = say("in force", "生效") if one.active else say("not in force", "未生效")
    if one.ended_epoch is not None:
        state += f" ({one.end_reason}, {say('epoch', '序号')} {one.ended_epoch})"
    rows.append([say("grant", "授权"), f"{one.grant}, {say('generation', '代')} {one.generation}, {state}"])
    if one.where is not None:
        inside = {True: say("true", "满足"), False: say("not true", "不满足"), None: "-"}[one.in_filter]
        rows.append([say("filter", "过滤"), f"{one.where}: {inside}"])
    rows += [[say("mask", "脱敏"), f"{path}: {mask}"] for path, mask in one.masks.items()]
    if one.offsets is not None:
        places = ", ".join(f"{one.source.partition}:{offset}" for offset in one.offsets)
        rows.append([say("released at", "放行位点"), f"{one.topic} {places}"])
    if one.dead_letter is not None:
        rows.append([say("dead letter", "异常数据"), f"bus.dead-letters 0:{one.dead_letter}"])
    rows += [[say("note", "说明"), one.note.to(lang)]] if one.note else []
    rows += [[say("delivery", "交付"), one.delivery.to(lang)]] if one.delivery else []
    table([say("what", "项目"), say("value", "内容")], rows)
