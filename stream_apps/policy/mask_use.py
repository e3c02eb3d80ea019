"""A mask as a grant writes it -> the mask, or what is wrong with it and how to mend that."""

from __future__ import annotations

import difflib

from pydantic import ValidationError

from schemas.avro_types import AvroType
from schemas.errors import ConfigError
from schemas.grant import MaskUse
from schemas.pydantic_words import first_wrong
from schemas.text import Text
from schemas.validation import full_width_in, half_width
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.generalise import SHORT, Generalise


def mask_from(use: MaskUse, avro: AvroType, where: str) -> Mask:
    """The mask `use` names, for a field of a (non-null) type; a short name spelt out. ConfigError for an unknown mask, type
    or parameter."""
    kind = MASKS.get(use.mask)
    if kind is None:
        raise unknown_mask(use.mask, where)
    if not kind.suits(avro):
        raise ConfigError(
            Text(
                f"the mask '{use.mask}' does not suit the field's type.", f"脱敏方式 '{use.mask}' 不适用于该字段类型。"
            ),
            where=where,
            hint=Text(f"It is for: {kind.about.of.en}.", f"适用于: {kind.about.of.zh}。"),
        )
    try:
        mask = kind.model_validate(use.params)
    except ValidationError as error:
        steps, words = first_wrong(error)
        place = ".".join([where, *steps])
        known = ", ".join(kind.model_fields)
        raise ConfigError(
            Text(f"{use.mask}: {words.en}.", f"{use.mask}: {words.zh}。"),
            where=place,
            hint=Text(f"Its parameters: {known or 'none'}.", f"其参数: {known or '无'}。"),
        ) from error
    return Generalise(to=SHORT[use.mask], **mask.model_dump()) if use.mask in SHORT else mask


def unknown_mask(name: str, where: str) -> ConfigError:
    """That there is no such mask, and which one may have been meant."""
    return ConfigError(Text(f"unknown mask '{name}'.", f"未知的脱敏方式 '{name}'。"), where=where, hint=_meant(name))


def _meant(name: str) -> Text:
    near = difflib.get_close_matches(name, MASKS, n=1)
    odd = full_width_in(name)
    if near:
        return Text(f"Did you mean '{near[0]}'?", f"是否为 '{near[0]}'?")
    if odd:
        return Text(
            f"It holds full-width punctuation {odd}; write {half_width(odd)}.",
            f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
        )
    known = ", ".join(MASKS)
    return Text(f"Known masks: {known}.", f"可用的脱敏方式: {known}。")
