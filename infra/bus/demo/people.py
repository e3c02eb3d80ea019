"""Names, identity numbers and codes of people and organisations who do not exist, from a seeded generator.

Check digits are right (GB 11643, GB 32100), because the publisher refuses wrong ones; the numbers belong to nobody: the
sequence part of an identity number and the subject part of a credit code are random.
"""

from __future__ import annotations

import datetime as dt
from random import Random

from schemas.formats import id_check_digit, uscc_check_digit

DISTRICTS = {
    "南明区": "520102",
    "云岩区": "520103",
    "花溪区": "520111",
    "乌当区": "520112",
    "白云区": "520113",
    "观山湖区": "520115",
    "开阳县": "520121",
    "息烽县": "520122",
    "修文县": "520123",
    "清镇市": "520181",
}
"""Districts and counties of Guiyang with their GB/T 2260 codes."""

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢"
_COMPOUND = ("欧阳", "上官", "司马", "诸葛", "夏侯")
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰建国文斌鹏飞辉志红梅晓燕婷浩宇欣怡子涵梓萱俊熙"
_MINORITY = ("阿依古丽·买买提", "吾买尔·艾力", "杨昌·务", "卓玛·央金")
_ROADS = ("中华北路", "延安中路", "北京路", "瑞金南路", "花果园大街", "宝山北路", "新华路", "长岭南路", "金朱东路")
_TRADES = ("科技", "建筑工程", "商贸", "餐饮管理", "文化传媒", "生物医药", "大数据服务", "物流")
_FORMS = ("有限公司", "有限责任公司", "股份有限公司")

_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def person_name(rng: Random) -> str:
    """A personal name: mostly two or three characters, some compound surnames, some names of other peoples with ·."""
    chance = rng.random()
    if chance < 0.01:
        return rng.choice(_MINORITY)
    surname = rng.choice(_COMPOUND) if chance < 0.03 else rng.choice(_SURNAMES)
    return surname + "".join(rng.choices(_GIVEN, k=1 if rng.random() < 0.25 else 2))


def id_number(rng: Random, district: str, born: dt.date) -> str:
    """A citizen identity number with its check digit (GB 11643)."""
    body = f"{DISTRICTS[district]}{born:%Y%m%d}{rng.randrange(1000):03d}"
    return body + id_check_digit(body)


def credit_code(rng: Random, district: str) -> str:
    """A unified social credit code with its check character (GB 32100)."""
    subject = "MA" + "".join(rng.choices(_USCC_ALPHABET, k=7))
    body = f"91{DISTRICTS[district]}{subject}"
    return body + uscc_check_digit(body)


def company_name(rng: Random) -> str:
    """Name of a company in Guiyang."""
    return f"贵阳{''.join(rng.choices(_GIVEN, k=2))}{rng.choice(_TRADES)}{rng.choice(_FORMS)}"


def address(rng: Random, district: str) -> str:
    """A street address in a district."""
    return f"贵阳市{district}{rng.choice(_ROADS)}{rng.randrange(1, 400)}号"


def mobile(rng: Random) -> str:
    """A mobile number."""
    return rng.choice(("130", "135", "139", "151", "177", "186", "189")) + f"{rng.randrange(10**8):08d}"


def day(rng: Random, first: int, last: int) -> dt.date:
    """A date in the years `first` to `last`."""
    return dt.date(first, 1, 1) + dt.timedelta(days=rng.randrange((last - first + 1) * 365))
