"""What all grants of one subscriber show together: the first six digits here and the last four there rebuild a number.

Every grant has been judged alone before. Here each value is judged over all of them: what is the same value, what each
grant shows of it, what follows from all of it, and whether a contract that bounds the value permits that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.paths import Path, path_text
from schemas.text import Text
from stream_apps.policy.floor import permits, permits_freely
from stream_apps.policy.mask_tree import Granted, leaf_masks
from stream_apps.policy.masks.reveal import Reveal


@dataclass(frozen=True)
class Held:
    """A grant in force beside the newest contract of its resource. ConfigError, when asked, if the grant may not be.

    file   where it is written, if it is being applied; errors name that place
    """

    grant: Grant
    contract: Contract
    file: str | None = None

    @cached_property
    def shown(self) -> tuple[Shown, ...]:
        """Everything of which it shows more than which values are equal; of a record also all that is within it."""
        masks = leaf_masks(Granted(self.contract, self.grant, self.file or self.grant.id))
        telling = [
            (path, mask.name, seen) for path, mask in masks.items() if (seen := mask.reveals()).kind not in _MUTE
        ]
        return tuple(
            Shown(self, path, place, mask, seen)
            for leaf, mask, seen in telling
            for path, place in self.contract.places.items()
            if path[: len(leaf)] == leaf
        )


_MUTE = ("nothing", "token")


@dataclass(frozen=True)
class Shown:
    """One value of which a grant shows something."""

    held: Held
    path: Path
    field: ContractField
    mask: str
    reveal: Reveal

    @property
    def values(self) -> Iterator[str]:
        """Names of what the value is. Two fields with a name in common hold the same values: those of one format; those
        that say the same (`concept`) of one kind of subject; else only the field itself."""
        contract = self.held.contract
        yield self.field.format or f"{contract.id}:{path_text(self.path)}"
        if self.field.concept is not None and contract.resource.subject is not None:
            yield f"{contract.resource.subject}/{self.field.concept}"

    def __str__(self) -> str:
        return f"{self.held.grant.id} ({self.held.contract.id}: {path_text(self.path)}, {self.mask})"


@dataclass(frozen=True)
class Conflict:
    """What several grants show of one value together, and may not."""

    value: str
    shown: tuple[Shown, ...]
    together: Text


def conflicts(held: Iterable[Held]) -> Iterator[Conflict]:
    """Every value of which the grants of one subscriber show more together than its contracts permit."""
    by_value: dict[str, list[Shown]] = {}
    for one in held:
        for shown in one.shown:
            for value in shown.values:
                by_value.setdefault(value, []).append(shown)
    for value, shown_ in sorted(by_value.items()):
        together = _too_much(shown_)
        if together is not None:
            yield Conflict(value, tuple(shown_), together)


def check_together(held: Collection[Held], new: Collection[str], changed: Mapping[str, str]) -> None:
    """ConfigError if a grant among `new` (ids) shows with others of the same subscriber what may not be shown, or if a
    contract that changes (`changed`: resource -> file) no longer permits what several show. A conflict that neither has a
    part in was there before, and is not theirs to mend.
    """
    for conflict in conflicts(held):
        own = next((s for s in conflict.shown if s.held.grant.id in new and s.held.file), None)
        bounds = next((s.held.contract.id for s in conflict.shown if s.held.contract.id in changed), None)
        if own is not None:
            raise _refused(conflict, own, f"{own.held.file}: fields.{path_text(own.path)}")
        if bounds is not None:
            raise _refused(conflict, None, changed[bounds])


def _too_much(shown: list[Shown]) -> Text | None:
    """What is shown together, if that is more than each alone and some contract does not permit it."""
    reveals = list(dict.fromkeys(s.reveal for s in shown))
    if len(reveals) == 1 or any(r.kind == "all" for r in reveals):
        return None  # nothing is learnt that was not granted by itself
    kinds = {r.kind for r in reveals}
    if kinds == {"ends"}:
        head, tail = max(r.head for r in reveals), max(r.tail for r in reveals)
        alone = any((r.head, r.tail) == (head, tail) for r in reveals)
        if alone or all(permits(s.field, "partial", {"keep_first": head, "keep_last": tail}) for s in shown):
            return None
        return Text(f"its first {head} and last {tail} characters", f"其前 {head} 位与后 {tail} 位")
    if kinds == {"cell"}:
        if any(all(_refines(fine, r) for r in reveals) for fine in reveals) or all(
            permits_freely(s.field, s.mask) for s in shown
        ):
            return None
        return Text("a finer division than each alone", "比任何单项授权更细的区间")
    if all(permits(s.field, "pass", {}) for s in shown):
        return None
    return Text("more than each alone", "比任何单项授权更多的内容")


def _refines(fine: Reveal, coarse: Reveal) -> bool:
    """Whether the cell in one division tells the cell in another."""
    if fine == coarse or (coarse.grain != "" and coarse.grain in fine.coarser):
        return True
    if fine.edges and coarse.edges:
        return set(coarse.edges) <= set(fine.edges)
    return not fine.edges and not coarse.edges and fine.grain == coarse.grain != ""


def _refused(conflict: Conflict, own: Shown | None, where: str) -> ConfigError:
    others = [str(s) for s in conflict.shown if s is not own]
    subscriber = conflict.shown[0].held.grant.subscriber
    mine = Text("", "") if own is None else Text(f" with this ({own.mask})", f"与本项({own.mask})")
    return ConfigError(
        Text(
            f"{', '.join(others)}{mine.en} would together show {subscriber} {conflict.together.en} of the same value "
            f"({conflict.value}); a contract does not permit that.",
            f"{'、'.join(others)}{mine.zh}合在一起会使 {subscriber} 得知同一内容({conflict.value})的"
            f"{conflict.together.zh}, 超出契约许可。",
        ),
        where=where,
        hint=Text(
            "Use the same mask in all of them, or amend or revoke the others: in the same command, or before.",
            "请在各项授权中使用相同的脱敏方式, 或在同一命令中(或事先)修改、终止其他授权。",
        ),
    )
