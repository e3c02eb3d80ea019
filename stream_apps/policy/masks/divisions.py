"""The names of provinces, prefectures and counties, as addresses write them.

`divisions.csv` has a line for each prefecture: its province, its name (none for what is directly under the province) and its
counties, districts, banners and county-level cities, the new areas the State Council approved among them. The names
(mainland, as of 2026) are facts gathered from public lists of GB/T 2260's divisions; those of Guizhou were compared with a second
list, the rest was not compared with the ministry's own. A name that is missing hides more, never less. Endings alone would not do: 小区 and
二区 are no districts, 下花园区 and 市中区 are.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Set
from functools import cache
from importlib.resources import files
from itertools import product

LONGEST = 33
"""More characters than any region of `districts` or `cities` has."""

_PLAIN = re.compile("(?:省|市|(?:壮族|回族|维吾尔)?自治区)$")
_ZONES = ("高新区", "经开区", "开发区", "高新技术产业开发区", "经济技术开发区", "经济开发区", "综合保税区")
"""As large as a district and named like one, but only right behind their city."""
_PEOPLES = (
    "布依族|苗族|侗族|土家族|彝族|回族|水族|仡佬族|壮族|瑶族|藏族|羌族|傣族|景颇族|傈僳族|白族|哈尼族|朝鲜族|蒙古族|蒙古|哈萨克族|哈萨克|"
    "柯尔克孜|满族|黎族|畲族|土族|撒拉族|东乡族|保安族|裕固族|佤族|拉祜族|布朗族|独龙族|怒族|普米族|纳西族|锡伯|塔吉克|仫佬族|毛南族|达斡尔族|鄂温克族|各族"
)
_AUTONOMOUS = re.compile(f"(?P<name>.{{2,}}?)(?:{_PEOPLES})+自治(?P<kind>[州县])")


@cache
def districts() -> frozenset[str]:
    """Every way an address names a county from its beginning: 贵州省贵阳市云岩区, 贵阳市云岩区, 贵阳云岩区, 云岩区.

    Alone, only a name of three characters and more: 城区 or 东区 could be anything.
    """
    out: set[str] = set()
    for province, city, counties in _lines():
        own = {form for name in counties for form in _forms(name)}
        before = {p + c for p, c in product(_provinces(province), {"", *_prefectures(city), city.removesuffix("市")})}
        out |= {b + county for b, county in product(before, own) if b or len(county) > 2}
        towns = _prefectures(city) or [name for name in (province,) if name.endswith("市")]
        out |= {p + c + zone for p, c, zone in product(_provinces(province) if city else [""], towns, _ZONES)}
    return frozenset(out)


@cache
def cities() -> frozenset[str]:
    """Every way an address names a province or a prefecture from its beginning, by its whole name: 贵州省, 贵阳市."""
    out = {province for province, _, _ in _lines()}
    for province, city, _ in _lines():
        out |= {p + c for p, c in product(_provinces(province), _prefectures(city))}
    return frozenset(out)


def begun(regions: Set[str], ends: str) -> frozenset[str]:
    """How they begin, as far as each of these characters but their last: what is neither these nor a region becomes none."""
    return frozenset(name[: at + 1] for name in regions for at, c in enumerate(name[:-1]) if c in ends)


@cache
def _lines() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    text = files(__package__).joinpath("divisions.csv").read_text(encoding="utf-8")
    return tuple((x["province"], x["city"], tuple(x["counties"].split())) for x in csv.DictReader(text.splitlines()))


def _provinces(name: str) -> list[str]:
    return ["", name, _PLAIN.sub("", name)]


def _forms(name: str) -> list[str]:
    """A name, and how people write it for short: 威宁彝族回族苗族自治县 is 威宁县."""
    short = _AUTONOMOUS.fullmatch(name)
    return [name, short["name"] + short["kind"]] if short else [name]


def _prefectures(name: str) -> list[str]:
    """The forms of a prefecture, if there is one; what is a city now may be called as before: 毕节地区."""
    if not name:
        return []
    return [*_forms(name), name.removesuffix("市") + "地区"] if name.endswith("市") else _forms(name)
