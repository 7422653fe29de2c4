from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.errors import Forged, Rejected
from connector.secret import Secret
from connector.transport.address import guard, is_loopback, is_public, join
from connector.transport.replies import excerpt, retry_at
from connector.transport.signatures import check_fresh, sign, verify_hmac

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
KEYS = (Secret("key"), Secret("older"))
# RFC 4231 has no text key; this is the usual example of RFC 2104 implementations.
FOX = b"The quick brown fox jumps over the lazy dog"
FOX_SHA256 = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
FOX_SHA1_BASE64 = "3nybhbi3iqa8ino29wqQcBydtNk="


def test_a_hash_is_accepted_in_each_encoding_and_algorithm() -> None:
    verify_hmac(KEYS, FOX, FOX_SHA256)
    verify_hmac(KEYS, FOX, FOX_SHA256.upper())
    verify_hmac(KEYS, FOX, FOX_SHA1_BASE64, encoding="base64", algorithm="sha1")
    verify_hmac(KEYS, FOX, f"sha256={FOX_SHA256}", prefix="sha256=")
    verify_hmac(KEYS, FOX, sign(b"older", FOX, algorithm="sha512"), algorithm="sha512")


def test_one_of_several_signatures_is_enough() -> None:
    verify_hmac(KEYS, FOX, ["v1,no", f"v1,{FOX_SHA256}"], prefix="v1,")
    with pytest.raises(Forged, match="missing"):
        verify_hmac(KEYS, FOX, [f"v2,{FOX_SHA256}"], prefix="v1,")


@pytest.mark.parametrize("given", ["", "0" * 64, FOX_SHA256[:-1], FOX_SHA256 + "0", "ä"])
def test_anything_else_is_forged(given: str) -> None:
    with pytest.raises(Forged, match="match"):
        verify_hmac(KEYS, FOX, given)


def test_nothing_matches_without_secrets() -> None:
    with pytest.raises(Forged):
        verify_hmac([], FOX, FOX_SHA256)


def test_base64_counts_upper_and_lower_case() -> None:
    with pytest.raises(Forged):
        verify_hmac(KEYS, FOX, FOX_SHA1_BASE64.lower(), encoding="base64", algorithm="sha1")


@pytest.mark.parametrize("given", ["1795198200", "2026-11-20T18:10:00Z", "2026-11-20T19:14:59+01:00"])
def test_a_timestamp_near_now_is_fresh(given: str) -> None:
    check_fresh(given, NOW)


@pytest.mark.parametrize("given", ["", "0", "9" * 40, "1795198501", "1795197899", "2026-11-20T18:10:00", "-1", "²"])
def test_any_other_timestamp_is_forged(given: str) -> None:
    with pytest.raises(Forged):
        check_fresh(given, NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 30),
        ({"retry-after": "5"}, 5),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "-5"}, 30),
        ({"retry-after": "soon"}, 30),
        ({"retry-after": "999999999999999999999"}, 3600),
        ({"retry-after": "Fri, 20 Nov 2026 18:10:40 GMT"}, 40),
        ({"retry-after": "Fri, 20 Nov 2026 18:10:40 GMT", "date": "Fri, 20 Nov 2026 18:10:30 GMT"}, 10),
        ({"retry-after": "Fri, 20 Nov 2026 18:00:00 GMT"}, 1),
        ({"retry-after": "Fri, 20 Nov 2099 18:00:00 GMT"}, 3600),
        ({"retry-after": "Fri, 99 Nov 2026 18:00:00 GMT"}, 30),
    ],
)
def test_a_wait_is_read_and_kept_within_reason(headers: dict[str, str], seconds: float) -> None:
    assert retry_at(headers, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "RecordInvalid", "ticket": {"subject": "Ann was rude"}}', '{"error": "RecordInvalid"}'),
        (b'[{"message": "bad", "errorCode": "X", "id": 7}]', '[{"message": "bad", "errorCode": "X"}]'),
        (b'{"data": {"errors": ["a", "b"]}, "n": null}', '{"data": {"errors": ["a", "b"]}}'),
        (b'{"name": "Ann"}', ""),
        (b"[]", ""),
        (b"<html><body>\n<h1>502 Bad\n  Gateway</h1></body></html>", "502 Bad Gateway"),
        (b'{"message": "no ann@example.com here"}', '{"message": "no … here"}'),
        (b"\xff\xfe", "��"),
        (b'{"message": "' + b"x " * 5000 + b'"}', '{"message": "' + "x " * 143 + "x"),
    ],
)
def test_of_a_reply_only_the_words_about_the_error_are_kept(body: bytes, words: str) -> None:
    assert excerpt(body) == words


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost:8080",
        "https://10.1.2.3",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://no-such-host.invalid/",
    ],
)
def test_an_address_that_came_with_data_is_public(url: str) -> None:
    with pytest.raises(Rejected, match="private"):
        guard(url)


def test_an_operator_may_name_a_private_address() -> None:
    assert guard("http://127.0.0.1:8080/", allow_private=True) == "http://127.0.0.1:8080"
    assert guard("https://93.184.215.14/x/") == "https://93.184.215.14/x"
    assert not is_public("localhost")
    assert [
        is_loopback(f"http://{host}:1/x") for host in ("127.0.0.9", "[::1]", "LOCALHOST", "10.0.0.1", "a.example")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_path_joins_its_base_and_a_link_of_the_same_origin_stays() -> None:
    base = "https://acme.zendesk.example/sub"
    assert join(base, "/api") == "https://acme.zendesk.example/sub/api"
    assert join(base, "https://ACME.zendesk.example/api?x=1") == "https://ACME.zendesk.example/api?x=1"
    for link in (
        "http://acme.zendesk.example/api",
        "https://acme.zendesk.example:8443/",
        "https://a@acme.zendesk.example/",
    ):
        with pytest.raises(Rejected):
            join(base, link)
