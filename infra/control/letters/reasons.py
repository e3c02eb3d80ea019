"""What the reasons of dead letters mean, whose matter they are, and what is to be mended. Every word the exchange writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.text import Text

Whose = Literal["provider", "integrator", "operator", "approver"]

WHOSE: Mapping[Whose, Text] = {
    "provider": Text("the provider of the resource", "资源提供方"),
    "integrator": Text("the integrator of the publishing system", "数据接入方(集成商)"),
    "operator": Text("the operators of the bus", "总线运维人员"),
    "approver": Text("who approves the grant", "授权审批方"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """What a word means, whose matter it is, and what to mend before a retry can succeed. `lasting`: the record itself is at
    fault, and only a new one under its key helps."""

    meaning: Text
    whose: Whose
    mend: Text
    lasting: bool = False


_ANEW = Text(
    "Correct the program that wrote it and publish the row again; this record itself stays as it is.",
    "请修正写入程序并重新发布该行; 该记录本身无法修复。",
)

REASONS: Mapping[str, Reason] = {
    "not_framed": Reason(
        Text(
            "the value does not begin as the Confluent wire format does: another program wrote it.",
            "值不符合 Confluent 线上格式: 由其他程序写入。",
        ),
        "integrator",
        _ANEW,
        lasting=True,
    ),
    "unknown_schema": Reason(
        Text(
            "its schema id is not registered for this resource.",
            "其模式编号未登记在该资源名下。",
        ),
        "operator",
        Text(
            "Register the schema under the topic's subject (restore the registry if it has lost it), then retry.",
            "请将该模式登记到主题的 subject 下(若注册中心丢失则先恢复), 然后重试。",
        ),
    ),
    "truncated": Reason(
        Text("the value ends before its schema does.", "值不完整, 短于其模式。"), "integrator", _ANEW, lasting=True
    ),
    "trailing_bytes": Reason(
        Text("the value goes on after its schema ends.", "值在模式结束后仍有多余字节。"),
        "integrator",
        _ANEW,
        lasting=True,
    ),
    "bad_utf8": Reason(
        Text("a text in it is not UTF-8 (perhaps GB18030).", "其中有文本不是 UTF-8(可能为 GB18030)。"),
        "integrator",
        _ANEW,
        lasting=True,
    ),
    "malformed": Reason(
        Text("the value does not follow its schema.", "值与其模式不符。"), "integrator", _ANEW, lasting=True
    ),
    "no_default": Reason(
        Text(
            "it was written under a contract that lacks a field of the contract in force, which gives no default.",
            "其写入时的契约缺少现行契约中的字段, 且该字段无默认值。",
        ),
        "provider",
        Text(
            "Give the field a default in the contract and apply it, then retry.",
            "请在契约中为该字段设默认值并生效, 然后重试。",
        ),
    ),
    "too_large": Reason(
        Text(
            "the value, or the event made of it, is larger than the bus carries (8 MiB).",
            "值或由其生成的事件超过总线上限(8 MiB)。",
        ),
        "provider",
        Text(
            "Have the row made smaller at its source, or the grant release fewer fields of it; then retry.",
            "请在来源处缩小该行, 或减少授权字段, 然后重试。",
        ),
    ),
    "kills_worker": Reason(
        Text(
            "the process that judged it died, twice: it is not looked at any more.",
            "处理该记录的进程两次崩溃, 此后不再处理。",
        ),
        "operator",
        Text(
            "Report it; replace the exchange by a version that withstands it, then retry. A retry under the same version costs "
            "the worker one or two deaths.",
            "请上报; 更换可处理该记录的交换程序版本后再重试。以同一版本重试会使工作进程再次崩溃一至两次。",
        ),
    ),
    "inconsistent": Reason(
        Text(
            "its operation, key, before and after do not fit together.",
            "其操作类型、主键与前后镜像互相矛盾。",
        ),
        "integrator",
        _ANEW,
        lasting=True,
    ),
    "missing_before": Reason(
        Text(
            "an update or delete without the row as it was, which the grant's filter needs.",
            "更新或删除缺少变更前内容, 而授权过滤需要它。",
        ),
        "integrator",
        Text(
            "Let the adapter send `before` and publish the row again; a retry succeeds where the grant has no filter any more.",
            "请让适配器提供 before 并重新发布该行; 若授权已不含过滤条件, 重试可成功。",
        ),
    ),
    "filter_failed": Reason(
        Text("the grant's filter could not be computed of this row.", "无法对该行计算授权的过滤条件。"),
        "approver",
        Text(
            "Amend the grant's filter, or correct the value at its source; an amended grant gets its history by itself.",
            "请修订授权的过滤条件, 或在来源处更正; 修订后的授权会自动补发历史。",
        ),
    ),
    "mask_failed": Reason(
        Text(
            "a mask could not be computed of this row: a value it is not made for, or a key that is not here.",
            "无法对该行计算脱敏: 值不适用, 或缺少所需密钥。",
        ),
        "approver",
        Text(
            "Bring back the missing key version, correct the value at its source, or amend the mask; then retry.",
            "请恢复缺失的密钥版本, 或在来源处更正, 或修订脱敏方式, 然后重试。",
        ),
    ),
}

UNKNOWN = Reason(
    Text("a reason this version does not know.", "本版本无法识别的原因。"),
    "operator",
    Text("Upgrade this command.", "请升级本命令。"),
)


def reason(word: str) -> Reason:
    """What a word means."""
    return REASONS.get(word, UNKNOWN)
