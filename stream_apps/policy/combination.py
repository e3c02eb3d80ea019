"""Whether a subscriber's grants keep a combination rule."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.combination_rule import CombinationRule
from schemas.errors import ConfigError
from schemas.paths import path_text
from schemas.text import Text
from stream_apps.policy.together import Held, Shown


def broken(rule: CombinationRule, held: Iterable[Held]) -> dict[str, list[Shown]]:
    """Of each of the rule's fields where the grants of one subscriber show it; empty if some field is nowhere shown."""
    found: dict[str, list[Shown]] = {concept: [] for concept in rule.fields}
    for one in held:
        if one.contract.resource.subject == rule.subject and rule.binds(one.grant.subscriber):
            for shown in one.shown:
                found.get(shown.field.concept or shown.field.name, []).append(shown)
    return found if all(found.values()) else {}


def refusal(rule: CombinationRule, found: dict[str, list[Shown]], where: str) -> ConfigError:
    """What is wrong, with every grant that has a part in it. `where`: the document because of which it is."""
    subscriber = next(iter(found.values()))[0].held.grant.subscriber
    en = "; ".join(f"{concept}: {', '.join(_places(shown))}" for concept, shown in found.items())
    zh = "; ".join(f"{concept}: {'、'.join(_places(shown))}" for concept, shown in found.items())
    return ConfigError(
        Text(
            f"the rule '{rule.id}' ({rule.title.en}) forbids that {subscriber} holds all of these of one "
            f"{rule.subject}: {en}.",
            f"规则 '{rule.id}'({rule.title.zh})禁止 {subscriber} 同时持有同一 {rule.subject} 的下列字段: {zh}。",
        ),
        where=where,
        hint=Text(
            "Drop or pseudonymise one of the fields in every grant named, in the same command, or revoke a grant before.",
            "请在同一命令中将其中一个字段在所列授权中去除或改用假名, 或事先终止相关授权。",
        ),
    )


def _places(shown: list[Shown]) -> list[str]:
    return list(dict.fromkeys(f"{s.held.grant.id} ({s.held.contract.id}: {path_text(s.path)})" for s in shown))
