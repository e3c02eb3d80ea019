"""Which repository is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.cluster.repository import default_repository, repository_url, without_credentials
from schemas.errors import ConfigError


def settings(folder: Path, mirrors: str, namespace: str = "") -> Path:
    """A folder like ~/.m2 whose settings.xml has these mirrors."""
    text = f"<settings{namespace}><mirrors>{mirrors}</mirrors></settings>"
    (folder / "settings.xml").write_text(text, encoding="utf-8")
    return folder


def mirror(of: str, url: str) -> str:
    return f"<mirror><id>m</id><mirrorOf>{of}</mirrorOf><url>{url}</url></mirror>"


def test_what_the_person_says_comes_before_mavens_mirrors(tmp_path: Path) -> None:
    folder = settings(tmp_path, mirror("*", "http://mirror.example/a"))
    assert repository_url("https://given.example/m/", folder) == "https://given.example/m"


@pytest.mark.parametrize("of", ["*", "central", "external:*", "other, central", "*,!other"])
@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:any"'])
def test_the_first_mirror_of_central_is_used(tmp_path: Path, of: str, namespace: str) -> None:
    mirrors = mirror("other", "http://a.example") + mirror(of, "http://b.example/") + mirror("*", "http://c.example")
    assert repository_url(None, settings(tmp_path, mirrors, namespace)) == "http://b.example"


def test_a_mirror_that_excludes_central_is_not_used(tmp_path: Path) -> None:
    assert repository_url(None, settings(tmp_path, mirror("*,!central", "http://a.example"))) == default_repository()


def test_without_settings_it_is_mavens_default(tmp_path: Path) -> None:
    assert repository_url(None, tmp_path) == default_repository()
    assert repository_url("", tmp_path).startswith("https://")


def test_settings_that_are_not_xml_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.xml").write_text("<settings", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        repository_url(None, tmp_path)
    assert caught.value.where == str(tmp_path / "settings.xml")


@pytest.mark.parametrize("url", ["ftp://a.example", "a.example/maven", "https://"])
def test_an_address_that_is_none_names_the_variable(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        repository_url(url, tmp_path)
    assert caught.value.where == "BUS_MAVEN_REPOSITORY"


def test_credentials_in_an_address_are_never_shown() -> None:
    assert without_credentials("https://user:secret@a.example:8443/m/x.jar") == "https://a.example:8443/m/x.jar"
