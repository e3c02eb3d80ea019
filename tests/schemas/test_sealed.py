"""The ciphers are the standards' own, and the form of a sealed value is the one its module describes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.key_ring import Suite
from schemas.sealed import SealKey, associated, key_id, open_value, seal_all, sealed_text
from schemas.typed_text import typed_value

AES_TEXT = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
AES_BODY = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
)
SM4_TEXT = "".join(c * 16 for c in "ABCDEFEA")
SM4_BODY = (
    "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
)


@pytest.mark.parametrize(
    ("suite", "key", "nonce", "aad", "text", "body", "tag"),
    [
        (  # McGrew and Viega, The Galois/Counter Mode of Operation, test case 16
            "sha256",
            "feffe9928665731c6d6a8f9467308308" * 2,
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            AES_TEXT,
            AES_BODY,
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
        (  # RFC 8998, appendix A.1
            "sm3",
            "0123456789abcdeffedcba9876543210",
            "00001234567800000000abcd",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            SM4_TEXT,
            SM4_BODY,
            "83de3541e4c2b58177e065a9bf7b62ec",
        ),
    ],
)
def test_the_ciphers_give_what_their_standards_say(
    suite: Suite, key: str, nonce: str, aad: str, text: str, body: str, tag: str
) -> None:
    plain, once = bytes.fromhex(text), bytes.fromhex(nonce)
    sealed = seal_all([plain, plain], [once, once], bytes.fromhex(key), suite, bytes.fromhex(aad))
    assert [s.hex() for s in sealed] == [nonce + body + tag] * 2


@pytest.mark.parametrize("suite", ["sha256", "sm3"])
def test_a_sealed_value_opens_by_the_description_alone(suite: Suite) -> None:
    key = SealKey(3, bytes(range(32)), suite)
    aad = associated("shuiwu.things.2026-001", "身份.id_no")
    (sealed,) = seal_all([b"date:2026-11-24"], [b"n" * 12], key.cipher_key, suite, aad)
    mark, id_, body = sealed_text(sealed, key).split(".")
    assert mark == "e1"
    assert id_ == f"3-{hashlib.sha256(f'exchange-bus seal 3 {suite}'.encode() + bytes(1) + key.key).hexdigest()[:16]}"
    assert id_ == key_id(3, key.key, suite)

    raw = base64.urlsafe_b64decode(body)
    nonce, text, tag = raw[:12], raw[12:-16], raw[-16:]
    cipher_key = hmac.new(key.key, b'["exchange-bus","seal-cipher"]', suite).digest()
    bound = '["exchange-bus","sealed","shuiwu.things.2026-001","身份.id_no"]'.encode()
    if suite == "sha256":
        plain = AESGCM(cipher_key).decrypt(nonce, text + tag, bound)
    else:
        decryptor = Cipher(algorithms.SM4(cipher_key[:16]), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(bound)
        plain = decryptor.update(text) + decryptor.finalize()
    assert plain == b"date:2026-11-24"
    assert json.loads(bound) == ["exchange-bus", "sealed", "shuiwu.things.2026-001", "身份.id_no"]


def test_a_key_of_another_version_or_suite_has_another_id_and_its_text_no_key() -> None:
    key = bytes(range(32))
    assert len({key_id(1, key, "sha256"), key_id(2, key, "sha256"), key_id(1, key, "sm3")}) == 3
    assert key.hex() not in repr(SealKey(1, key)) and str(key) not in repr(SealKey(1, key))


@pytest.mark.parametrize("text", ["", "long", "long:x", "color:red", "boolean:True", "date:2026-13-01", "bytes:%"])
def test_what_is_no_typed_text_has_no_value(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        typed_value(text)


def test_an_opened_value_is_of_the_type_it_had() -> None:
    key = SealKey(1, bytes(32))
    (sealed,) = seal_all([b"decimal:12.30"], [b"n" * 12], key.cipher_key, "sha256", associated("g", "f"))
    value = open_value(sealed_text(sealed, key), grant="g", path="f", keys={key.id: key})
    assert repr(value) == "Decimal('12.30')"
