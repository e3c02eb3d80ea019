"""Which Maven repository to download from: what the person says, what their Maven says, what Maven would say.

One address is used, the first that is known. There is no falling back from one to the next: a city that set a mirror
wants its machines to talk to the mirror only.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from schemas.errors import ConfigError
from schemas.text import Text

MAVEN_FOLDER = Path.home() / ".m2"
_MAVEN_GROUP = "org.apache.maven"
_ANY_CENTRAL = ("*", "external:*", "central")


def repository_url(given: str | None, maven_folder: Path = MAVEN_FOLDER) -> str:
    """The repository's address without a trailing slash. ConfigError if a setting holds something else than one."""
    if given:
        return _checked(given, "BUS_MAVEN_REPOSITORY")
    settings = maven_folder / "settings.xml"
    mirror = _mirror(settings)
    return _checked(mirror, str(settings)) if mirror else default_repository()


def default_repository() -> str:
    """Where a plain Maven looks. No file of ours names a package registry's host, so that mirrors can be enforced by
    searching; Maven names hosts by reversing them, and its default repository lives under its own group."""
    return f"https://repo.{'.'.join(reversed(_MAVEN_GROUP.split('.')))}/maven2"


def without_credentials(url: str) -> str:
    """The address as it may be shown: `user:password@` removed."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _mirror(settings: Path) -> str | None:
    """The first mirror of the central repository in Maven's settings, as Maven itself picks it."""
    try:
        root = ElementTree.parse(settings).getroot()
    except FileNotFoundError:
        return None
    except (ElementTree.ParseError, OSError) as error:
        raise ConfigError(
            Text(f"Maven's settings cannot be read: {error}.", f"无法读取 Maven 设置: {error}。"),
            where=str(settings),
            hint=Text("Mend the file, or set BUS_MAVEN_REPOSITORY.", "请修正该文件, 或设置 BUS_MAVEN_REPOSITORY。"),
        ) from error
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        url = (mirror.findtext("{*}url") or "").strip()
        if url and _mirrors_central(mirror.findtext("{*}mirrorOf") or ""):
            return url
    return None


def _mirrors_central(mirror_of: str) -> bool:
    patterns = [pattern.strip() for pattern in mirror_of.split(",")]
    return "!central" not in patterns and any(pattern in _ANY_CENTRAL for pattern in patterns)


def _checked(url: str, where: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            Text("not the http(s) address of a Maven repository.", "不是 Maven 仓库的 http(s) 地址。"),
            where=where,
            hint=Text("Write it like https://mirror.example/maven2.", "写法如 https://mirror.example/maven2。"),
        )
    return url.rstrip("/")
