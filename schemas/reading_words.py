"""Why a text cannot be read, in both languages: what PyYAML, json and the operating system complain of.

What is not listed here stays as they say it.
"""

from __future__ import annotations

import errno
import re

from schemas.text import Text

_YAML: tuple[tuple[str, str], ...] = (
    (r"mapping values are not allowed here", "此处不应有冒号(缩进有误, 或含冒号的文本未加引号)"),
    (r"could not find expected ':'", "缺少冒号"),
    (r"expected <block end>, but found .*", "缩进与上文不一致"),
    (r"expected ',' or '\}', but got .*", "花括号内缺少逗号, 或未以 } 结束"),
    (r"expected ',' or '\]', but got .*", "方括号内缺少逗号, 或未以 ] 结束"),
    (r"expected the node content, but found .*", "此处缺少值"),
    (r"found character '\\t' that cannot start any token", "缩进不可使用制表符, 请改用空格"),
    (r"found character (.+) that cannot start any token", r"不能以字符 \1 开头, 请加引号"),
    (r"found unexpected end of stream", "文本未结束(引号未闭合)"),
    (r"while scanning a quoted scalar", "引号未闭合"),
    (r"aliases are not allowed", "不允许别名(& 与 *)"),
    (r"tags are not allowed", "不允许标签(!)"),
    (r"a key must be a plain word", "键须为普通词"),
    (r"the key '(.*)' appears twice", r"键 '\1' 重复"),
    (r"more than (\d+) values", r"超过 \1 个值"),
    (r"a number is too long, or a time without quotes", "数字过长, 或时间未加引号"),
    (r"no such date", "没有这样的日期"),
    (r"nested too deeply", "嵌套过深"),
)
_JSON = {
    "Expecting value": "此处缺少值",
    "Expecting ',' delimiter": "缺少逗号",
    "Expecting ':' delimiter": "缺少冒号",
    "Expecting property name enclosed in double quotes": "此处应为双引号括起的键",
    "Illegal trailing comma before end of object": "对象末尾多一个逗号",
    "Illegal trailing comma before end of array": "数组末尾多一个逗号",
    "Extra data": "内容之后还有多余文本",
    "Unterminated string starting at": "文本未结束(缺少双引号)",
    "Invalid control character at": "文本中含控制字符",
    "Invalid \\escape": "反斜杠用法有误",
    "a number is too long": "数字过长",
    "nested too deeply": "嵌套过深",
}
_SYSTEM = {
    errno.ENOENT: "没有该文件或目录",
    errno.EISDIR: "这是目录, 不是文件",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.EACCES: "没有权限",
    errno.EPERM: "不允许该操作",
    errno.EEXIST: "已存在",
    errno.ENOSPC: "磁盘空间不足",
    errno.EROFS: "文件系统只读",
    errno.ENAMETOOLONG: "文件名过长",
    errno.EADDRINUSE: "地址已被占用",
}


def of_yaml(problem: str) -> Text:
    """PyYAML's `problem`, and those of our own loader."""
    for pattern, chinese in _YAML:
        found = re.fullmatch(pattern, problem, re.DOTALL)
        if found:
            return Text(problem, found.expand(chinese))
    return Text(problem, problem)


def of_json(problem: str) -> Text:
    """`json.JSONDecodeError.msg`, and what else makes JSON unreadable."""
    return Text(problem, _JSON.get(problem, problem))


def of_system(error: OSError) -> Text:
    """Why the operating system refused."""
    said = error.strerror or type(error).__name__
    return Text(said, _SYSTEM.get(error.errno or 0, said))
