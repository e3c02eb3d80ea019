"""What each preset of `partial` keeps: of values of its kind what is usual, of everything else nothing."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import View, ViewKeys, compile_view
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.address import address_head, address_heads
from stream_apps.policy.masks.divisions import LONGEST, cities, districts
from stream_apps.policy.masks.presets import CHINESE, PRESETS
from tests.schemas.contracts import avro_contract, grant_document
from tests.stream_apps.policy.masked_values import TEXTS

KEYS = ViewKeys(b"p" * 32, "g")


def partial(**given: Any) -> Mask:
    return MASKS["partial"].model_validate(given)


def masked(mask: Mask, *texts: str) -> list[str]:
    shown: list[str] = mask.columns(pa.array(list(texts), pa.string()), KEYS).to_pylist()
    return shown


NAMES = [
    ("张三", "张*"), ("张三丰", "张**"), ("张", "*"), ("", ""), ("欧阳", "欧*"), ("欧阳修", "欧阳*"), ("欧阳修文", "欧阳**"),
    ("諸葛亮", "諸葛*"), ("司马光", "司马*"), ("欧文", "欧*"), ("李欧阳", "李**"), ("𠮷田", "𠮷*"), ("欧阳𠮷", "欧阳*"),
    ("😀", "*"), ("e\u0301a", "e**"), ("张\u0301三", "张**"), ("张 三", "张**"), ("John Smith", "J*********"),
    ("阿卜杜拉·买买提", "阿***·***"), ("阿卜•杜‧拉∙买･提", "阿*·*·*·*·*"), ("欧阳·买买提", "欧*·***"), ("阿·买", "阿·*"),
    ("·", "*"), ("··", "**"), ("阿·", "**"), ("阿··", "***"), ("·阿", "**"), ("阿··买", "阿··*"),
    ("欧阳 ", "欧**"), ("欧阳\u0301", "欧**"), ("欧阳-", "欧**"), ("欧阳A", "欧阳*"), ("欧阳 修", "欧***"), ("欧阳\n", "欧阳*"),
]  # fmt: skip
IDS = [
    ("520102199001010014", "520102********0014"), ("52010219900101001X", "520102********001X"),
    ("52010219900101001x", "520102********001x"), ("520102900101001", "520102******001"),
    ("52010290010100", "*" * 14), ("5201029001010014", "*" * 16), ("52010219900101001", "*" * 17), ("520102199001010014 ", "*" * 19),
    ("520102199001010014\n", "*" * 19), ("５２０１０２１９９００１０１００１４", "*" * 18), ("张三", "**"), ("", ""), ("X" * 18, "*" * 18),
]  # fmt: skip
MOBILES = [
    ("13912345678", "139****5678"), ("19912345678", "199****5678"), ("12912345678", "*" * 11), ("1391234567", "*" * 10),
    ("139123456789", "*" * 12), ("+8613912345678", "*" * 14), ("139 1234 5678", "*" * 13), ("", ""), ("1391234567😀", "*" * 11),
]  # fmt: skip
LANDLINES = [
    ("0851-85951234", "0851-******34"), ("010-62345678", "010-******78"), ("(0851)85951234", "(0851)******34"),
    ("(010) 62345678", "(010) ******78"), ("010 62345678", "010 ******78"), ("01062345678", "010******78"),
    ("0851-8595123", "0851-*****23"), ("85951234", "******34"), ("8595123", "*****23"), ("95598", "*****"), ("0851", "****"),
    ("0851-", "*****"), ("(0851)", "******"), ("13912345678", "*" * 11), ("0011-85951234", "*" * 13), ("400-800-1234", "*" * 12),
    ("0851-85951234转8", "*" * 15), ("0851—85951234", "*" * 13), ("", ""),
]  # fmt: skip
CARDS = [
    ("6222024000012345678", "622202*********5678"), ("6222024000012345", "622202******2345"), ("622202400001", "************"),
    ("62220240000", "*" * 11), ("62220240000123456789", "*" * 20), ("6222 0240 0001 2345", "*" * 19), ("", ""),
]  # fmt: skip
EMAILS = [
    ("zhang.san@guiyang.gov.cn", "z********@guiyang.gov.cn"), ("ab@b.cn", "a*@b.cn"), ("a@b.cn", "******"), ("@b.cn", "*****"),
    ("张三@贵阳.中国", "张*@贵阳.中国"), ("😀a@b.cn", "😀*@b.cn"), ("a@@b.cn", "*" * 7), ("ab@c@d.cn", "*" * 9), ("a b@c.cn", "*" * 8),
    ("ab@c.cn\n", "*" * 8), ("a\vb@c.cn", "*" * 8), ("ab@", "***"), ("微信@13912345678", "*" * 14), ("a张三@住云岩区1号", "*" * 10),
    ("ab@localhost", "*" * 12), ("ab@1.2.3.4", "*" * 10), ("ab@c..cn", "*" * 8), ("ab@" + "c" * 60 + ".cn", "a*@" + "c" * 60 + ".cn"),
    ("ab@" + "c" * 61 + ".cn", "*" * 67), ("zhangsan", "*" * 8), ("", ""),
]  # fmt: skip
PLATES = [
    ("贵A12345", "贵A****5"), ("贵AD12345", "贵A*****5"), ("贵A12345D", "贵A*****D"), ("京AF0001", "京A****1"), ("贵A1234", "*" * 6),
    ("贵AD123456", "*" * 9), ("贵a12345", "*" * 7), ("贵A·12345", "*" * 8), ("粤Z1234港", "*" * 7), ("WJ12345", "*" * 7), ("", ""),
]  # fmt: skip
USCCS = [
    ("91520102MA6DL3Q41P", "91520102********1P"), ("91520102MA6DL3Q41I", "*" * 18), ("91520102ma6dl3q41p", "*" * 18),
    ("91520102MA6DL3Q41", "*" * 17), ("520102199001010014", "52010219********14"), ("", ""),
]  # fmt: skip
ADDRESSES = [
    ("贵阳市云岩区中华北路1号", "贵阳市云岩区"), ("贵州省贵阳市云岩区中华北路1号", "贵州省贵阳市云岩区"), ("云岩区中华北路1号", "云岩区"),
    ("云岩区金狮小区2栋", "云岩区"), ("贵阳市金狮小区2栋", "贵阳市"), ("金狮小区2栋", ""), ("贵阳市高新园区1号", "贵阳市"),
    ("贵阳市矿区1号", "贵阳市"), ("贵阳市市场监督管理局", "贵阳市"), ("农贸市场1号", ""), ("贵阳市政府大院", ""),
    ("贵州省清镇市百花路1号", "贵州省清镇市"), ("贵州省玉屏侗族自治县平溪镇1号", "贵州省玉屏侗族自治县"),
    ("黔东南苗族侗族自治州凯里市韶山路1号", "黔东南苗族侗族自治州凯里市"), ("河南省济源市沁园街道1号", "河南省济源市"),
    ("湖北省仙桃市沙嘴街道1号", "湖北省仙桃市"), ("内蒙古自治区锡林郭勒盟多伦县1号", "内蒙古自治区锡林郭勒盟多伦县"),
    ("新疆维吾尔自治区吐鲁番地区鄯善县1号", "新疆维吾尔自治区吐鲁番地区鄯善县"), ("北京市朝阳区建国路1号", "北京市朝阳区"),
    ("山东省济南市市中区经四路1号", "山东省济南市市中区"), ("贵州省1号", "贵州省"), ("贵阳市", ""), ("贵阳市云岩区", "贵阳市"),
    ("中华北路1号", ""), ("云岩区", ""), ("1号", ""), ("", ""), ("𠮷市云岩区1号", ""), ("张三丰贵阳市云岩区中华路1号", ""),
    ("户主李四云岩区中华路1号", ""), ("贵阳市龙泽苑一区3栋", "贵阳市"), ("贵阳市兴隆花园东区3栋", "贵阳市"), ("中天花园东区12栋", ""),
    ("河北省张家口市下花园区1号", "河北省张家口市下花园区"), ("山东省东营市东营区东城1号", "山东省东营市东营区"),
    ("阳泉市矿区桥头1号", "阳泉市矿区"), ("城区东路1号", ""), ("黔南州都匀市1号", "黔南州都匀市"), ("毕节地区威宁县草海镇1号", "毕节地区威宁县"),
    ("贵阳市高新区长岭南路1号", "贵阳市高新区"), ("高新区长岭南路1号", ""), ("贵州省贵安新区湖潮乡1号", "贵州省贵安新区"),
    ("湖南省常德市津市市南路1号", "湖南省常德市津市市"), ("贵州贵阳云岩区1号", "贵州贵阳云岩区"), ("遵义市云岩区1号", "遵义市"), ("Guiyang, Yunyan 1", ""), ("区", ""),
]  # fmt: skip
STREETS = [
    ("贵阳市云岩区普陀街道中华北路1号", "贵阳市云岩区普陀街道"), ("贵阳市云岩区普陀路街道办事处1号", "贵阳市云岩区"),
    ("贵阳市云岩区普陀街道办事处1号", "贵阳市云岩区普陀街道办事处"), ("贵州省玉屏侗族自治县平溪镇1号", "贵州省玉屏侗族自治县平溪镇"),
    ("贵阳市花溪区高坡苗族乡1号", "贵阳市花溪区高坡苗族乡"), ("贵阳市云岩区中华北路1号", "贵阳市云岩区"),
    ("贵阳市云岩区普陀街道", "贵阳市云岩区"), ("普陀街道中华北路1号", ""), ("内蒙古自治区锡林郭勒盟多伦县蔡木山苏木1号", "内蒙古自治区锡林郭勒盟多伦县蔡木山苏木"), ("", ""),
    ("云岩区水乡人家12栋", "云岩区"), ("云岩区时光小镇3栋", "云岩区"), ("云岩区大营坡夜市镇妖塔1号", "云岩区"), ("南明区中华南路乡巴佬饭店", "南明区"),
    ("贵阳市花溪区青岩镇北街1号", "贵阳市花溪区青岩镇"), ("河南省济源市沁园街道1号", "河南省济源市沁园街道"), ("贵阳市普陀街道1号", "贵阳市"),
]  # fmt: skip
TABLES: dict[str, list[tuple[str, str]]] = {
    "name": NAMES, "id": IDS, "mobile": MOBILES, "landline": LANDLINES, "bank_card": CARDS, "email": EMAILS, "plate": PLATES,
    "uscc": USCCS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "text", "shown"), [(preset, *line) for preset, lines in TABLES.items() for line in lines]
)
def test_a_preset_keeps_of_its_kind_what_is_usual_and_of_anything_else_nothing(
    preset: str, text: str, shown: str
) -> None:
    assert masked(partial(preset=preset), text) == [shown]


@pytest.mark.parametrize(
    ("level", "text", "head"), [("district", *line) for line in ADDRESSES] + [("street", *line) for line in STREETS]
)
def test_of_an_address_its_region_stays_and_nothing_that_only_looks_like_one(level: str, text: str, head: str) -> None:
    assert masked(partial(preset="address", level=level), text) == [head + "*" * (len(text) - len(head))]


def test_every_listed_district_is_found_where_it_ends_and_within_what_is_looked_at() -> None:
    columns = sorted(districts())
    assert all(len(name) < LONGEST for name in districts() | cities())
    for street in (False, True):
        heads = address_heads(pa.array([f"{name}1号" for name in columns]), street=street).to_pylist()
        assert heads == columns


REGIONS = st.sampled_from(sorted(districts() | cities()))


@settings(max_examples=400)
@given(
    texts=st.lists(
        st.none()
        | st.tuples(
            st.sampled_from(["", "张", " "]), REGIONS, st.text("区县市旗镇乡街道小路木苏1A 😀", max_size=6)
        ).map("".join),
        max_size=6,
    ),
    street=st.booleans(),
    cut=st.integers(0, 2),
)
def test_addresses_as_a_column_show_what_each_shows(texts: list[str | None], street: bool, cut: int) -> None:
    heads = address_heads(pa.array(texts, pa.string()).slice(cut), street=street).to_pylist()
    assert heads == [None if t is None else address_head(t, street=street) for t in texts[cut:]]


def test_every_preset_has_a_table() -> None:
    assert {*TABLES, "address"} == set(PRESETS)


OF_PRESETS = st.sampled_from([*(partial(preset=p) for p in PRESETS), partial(preset="address", level="street")])


@settings(max_examples=400)
@given(mask=OF_PRESETS, texts=st.lists(st.none() | TEXTS, max_size=6), cut=st.integers(0, 2))
def test_a_preset_does_to_a_column_what_it_does_to_each_value(mask: Mask, texts: list[str | None], cut: int) -> None:
    column = pa.array(texts, pa.string()).slice(cut)
    shown = mask.columns(column, KEYS)
    shown.validate(full=True)
    assert shown.to_pylist() == [None if t is None else mask.row(t, KEYS) for t in texts[cut:]]


@settings(max_examples=400)
@given(mask=OF_PRESETS, text=TEXTS)
def test_a_preset_keeps_the_length_and_the_kept_characters_in_their_places_and_hides_at_least_one(
    mask: Mask, text: str
) -> None:
    shown = mask.row(text, KEYS)
    assert len(shown) == len(text)
    assert all(s in ("*", t) or (s == "·" and t in "·•・‧･∙") for s, t in zip(shown, text, strict=True))
    assert "*" in shown or not text


@given(mask=OF_PRESETS, text=TEXTS)
def test_a_preset_keeps_no_more_from_either_end_than_it_tells_the_contract(mask: Any, text: str) -> None:
    shown = mask.row(text, KEYS).replace("·", "*")  # the dots of a name are its structure
    hidden = [n for n, c in enumerate(shown) if c == "*"]
    if hidden and "*" not in text:
        assert hidden[0] <= mask.keep_first
        assert len(text) - 1 - hidden[-1] <= mask.keep_last


@given(text=TEXTS, first=st.integers(0, 9), last=st.integers(0, 9))
def test_a_value_no_longer_than_what_is_kept_is_masked_wholly(text: str, first: int, last: int) -> None:
    shown = masked(partial(keep_first=first, keep_last=last), text)[0]
    if len(text) <= first + last:
        assert shown == "*" * len(text)
    for preset, kept in PRESETS.items():
        if kept.fixed and len(text) <= kept.first + kept.last:
            assert masked(partial(preset=preset), text) == ["*" * len(text)]


def contract(*masks: Any) -> Any:
    return parse_contract(
        avro_contract(
            fields=[
                {"name": "id", "type": "string"},
                {"name": "f", "type": "string", **({"masks": list(masks)} if masks else {})},
            ]
        )
    )


def view(use: dict[str, Any], *masks: Any) -> View:
    fields = {"id": "pass", "f": {"mask": "partial", **use}}
    return compile_view(contract(*masks), parse_grant(grant_document(fields=fields)), "g")


@pytest.mark.parametrize(("word", "preset"), CHINESE.items())
def test_a_chinese_word_is_the_very_same_mask(word: str, preset: str) -> None:
    assert partial(preset=word) == partial(preset=preset)
    assert view({"preset": word}).id == view({"preset": preset}).id
    assert partial(preset=word).identity() == partial(preset=preset).identity()


def test_an_addresses_level_is_the_district_unless_said_otherwise() -> None:
    assert view({"preset": "address"}).id == view({"preset": "地址", "level": "district"}).id
    assert view({"preset": "address"}).id != view({"preset": "address", "level": "street"}).id


FLOOR_ENDS = {"mask": "partial", "keep_first": {"max": 1}}
FLOOR_NAME = {"mask": "partial", "preset": {"one_of": ["name"]}}
FLOOR_CHINESE = {"mask": "partial", "preset": {"one_of": ["姓名"]}}


@pytest.mark.parametrize(
    ("floor", "use", "permitted"),
    [
        (FLOOR_ENDS, {"keep_first": 1}, True),
        (FLOOR_ENDS, {"preset": "name"}, False),
        (FLOOR_ENDS, {"preset": "地址"}, False),
        (FLOOR_ENDS, {"preset": "email"}, False),
        ({"mask": "partial", "keep_first": {"max": 2}}, {"preset": "name"}, True),
        ({"mask": "partial", "keep_last": {"max": 3}}, {"preset": "id"}, False),
        ({"mask": "partial", "keep_last": {"max": 4}}, {"preset": "id"}, True),
        (FLOOR_NAME, {"preset": "name"}, True),
        (FLOOR_NAME, {"preset": "姓名"}, True),
        (FLOOR_NAME, {"preset": "id"}, False),
        (FLOOR_NAME, {"keep_first": 1}, False),
        (FLOOR_CHINESE, {"preset": "name"}, True),
        (FLOOR_CHINESE, {"preset": "姓名"}, True),
        (FLOOR_CHINESE, {"preset": "手机号"}, False),
        (FLOOR_CHINESE, {"keep_first": 0}, False),
        ({"mask": "partial", "level": {"one_of": ["district"]}}, {"preset": "address"}, True),
        ({"mask": "partial", "level": {"one_of": ["district"]}}, {"preset": "address", "level": "street"}, False),
    ],
)
def test_a_contracts_bounds_bind_presets_as_they_bind_numbers(
    floor: dict[str, Any], use: dict[str, Any], permitted: bool
) -> None:
    if permitted:
        assert view(use, floor).fields[1].name == "f"
    else:
        with pytest.raises(ConfigError, match="outside what the contract permits"):
            view(use, floor)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"preset": "name", "keep_first": 1}, "do not go with a preset"),
        ({"preset": "姓名", "keep_last": 1}, "do not go with a preset"),
        ({"preset": "nmae"}, "a preset is one of " + ", ".join(PRESETS)),
        ({"preset": "名字"}, "可用类别: " + "、".join(CHINESE)),
        ({"preset": ["name"]}, "a preset is one of"),
        ({"preset": ""}, "a preset is one of"),
        ({"level": "street"}, "level goes with preset: address"),
        ({"preset": "name", "level": "street"}, "level goes with preset: address"),
        ({"preset": "address", "level": "city"}, "district"),
    ],
)
def test_what_no_preset_is_or_takes_is_refused_with_the_way_out(use: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        view(use)
    assert said in refused.value.message("en" if said.isascii() else "zh")
    assert (refused.value.where or "").startswith("g: fields.f")
