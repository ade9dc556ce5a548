"""Each scheme against vectors of the platforms' public documentation, or ones made by another implementation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_ingress.verify import SCHEMES, Incoming, Refusal, Scheme, SchemeUnusable, scheme_of

SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_TIME = 1531420618
# The example of Slack's page "Verifying requests from Slack".
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a1"
    b"4d10d2c447fce8b6703c"
)
SLACK_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

# The example of Tencent's WXBizMsgCrypt, which its SDKs in every language ship.
WX_TIME = 1409735669
WX_NONCE, WX_TOKEN, WX_APP = "1320562132", "spamtest", "wx2c2769f8efd9abc2"
WX_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
WX_SIGNATURE = "5d197aaffba7e9b25a30732f161a50dee96bd5fa"
WX_ENCRYPTED = (
    "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHFVAFmOD2LdJF9FrXpbUAh0B5G"
    "IItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVticbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA912xMe"
    "zR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpAe+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl"
    "9FyJvnhvQl+q5rv1ixrcpCumEPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE="
)


def request(
    body: bytes = b"", now: float = 0, query: str = "", method: str = "POST", **headers: str
) -> Incoming:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(method, named, query, body, now, "https://h/x")


def slack(body: bytes = SLACK_BODY, now: float = SLACK_TIME, **changes: str) -> Incoming:
    headers = {"x_slack_signature": SLACK_SIGNATURE, "x_slack_request_timestamp": str(SLACK_TIME), **changes}
    return request(body, now, **{name: value for name, value in headers.items() if value})


def test_slack_accepts_the_example_of_its_documentation() -> None:
    verified = scheme_of("slack-v0", {"key": SLACK_SECRET}, {}).verify(slack())
    assert verified.once


@pytest.mark.parametrize(
    "changed",
    [
        slack(SLACK_BODY + b" "),
        slack(now=SLACK_TIME + 301),
        slack(now=SLACK_TIME - 301),
        slack(x_slack_signature=""),
        slack(x_slack_request_timestamp=""),
        slack(x_slack_request_timestamp=str(SLACK_TIME + 1)),
        slack(x_slack_request_timestamp=f" {SLACK_TIME}"),
        slack(x_slack_request_timestamp="١٥٣١٤٢٠٦١٨"),
        slack(x_slack_signature=SLACK_SIGNATURE.removeprefix("v0=")),
        slack(x_slack_signature="v1=" + SLACK_SIGNATURE[3:]),
        slack(x_slack_signature="v0="),
        slack(x_slack_signature="v0=" + "zz" * 32),
        slack(x_slack_signature="v0=é"),
    ],
)
def test_slack_refuses_what_is_changed_old_or_missing(changed: Incoming) -> None:
    with pytest.raises(Refusal) as refused:
        scheme_of("slack-v0", {"key": SLACK_SECRET}, {}).verify(changed)
    assert SLACK_SECRET not in str(refused.value)
    assert "a2114d57" not in str(refused.value)


def test_another_secret_is_refused() -> None:
    with pytest.raises(Refusal, match="another secret"):
        scheme_of("slack-v0", {"key": SLACK_SECRET + "x"}, {}).verify(slack())


def test_hmac_sha256_accepts_the_example_of_github() -> None:
    settings = {"header": "X-Hub-Signature-256", "prefix": "sha256="}
    scheme = scheme_of("hmac-sha256", {"key": "It's a Secret to Everybody"}, settings)
    given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verified = scheme.verify(request(b"Hello, World!", x_hub_signature_256=given))
    # Without a signed time nothing tells a replay from two equal events.
    assert verified.once == ""
    with pytest.raises(Refusal):
        scheme.verify(request(b"Hello, World?", x_hub_signature_256=given))


def test_hmac_sha1_accepts_the_vector_of_rfc_2202() -> None:
    scheme = scheme_of("hmac-sha1", {"key": "Jefe"}, {"header": "x-hub-signature", "prefix": "sha1="})
    given = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    scheme.verify(request(b"what do ya want for nothing?", x_hub_signature=given))
    with pytest.raises(Refusal):
        scheme.verify(request(b"what do ya want for something?", x_hub_signature=given))


def test_hmac_in_base64_is_what_openssl_makes(tmp_path: Path) -> None:
    body = '{"events":[],"text":"早"}'.encode()
    (tmp_path / "body").write_bytes(body)
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", "channel secret", "-binary", str(tmp_path / "body")],
        capture_output=True,
        check=True,
    ).stdout
    settings = {"header": "x-line-signature", "encoding": "base64"}
    scheme = scheme_of("hmac-sha256", {"key": "channel secret"}, settings)
    scheme.verify(request(body, x_line_signature=base64.b64encode(made).decode()))
    for wrong in ("", "!", base64.b64encode(made[:-1]).decode(), made.hex()):
        with pytest.raises(Refusal):
            scheme.verify(request(body, x_line_signature=wrong))


def test_a_template_signs_more_than_the_body() -> None:
    settings = {
        "header": "x-s",
        "signed": "{method}|{url}|{header:x-t}|{header:x-id}|{body}",
        "time_header": "x-t",
        "time_unit": "ms",
    }
    scheme = scheme_of("hmac-sha256", {"key": "k"}, settings)
    signed = hmac.new(b"k", b"POST|https://h/x|5000000|a|body", hashlib.sha256).hexdigest()
    good = {"x_s": signed, "x_t": "5000000", "x_id": "a"}
    assert scheme.verify(request(b"body", 5000, **good)).once
    for changed in ({"x_id": "b"}, {"x_t": "5000001"}, {"x_s": signed[:-1] + "0"}):
        with pytest.raises(Refusal):
            scheme.verify(request(b"body", 5000, **{**good, **changed}))
    with pytest.raises(Refusal, match="300"):
        scheme.verify(request(b"body", 5400, **good))


# The example of QQ's page on webhooks: the seed is the secret, the time and the plain token are signed.
QQ_SIGNATURE = (
    "87befc99c42c651b3aac0278e71ada338433ae26fcb24307bdc5ad38c1adc2d0"
    "1bcfcadc0842edac85e85205028a1132afe09280305f13aa6909ffc2d652c706"
)


def test_ed25519_by_seed_accepts_the_example_of_qq() -> None:
    scheme = scheme_of("ed25519", {"key": "DG5g3B4j9X2KOErG"}, {"key": "seed"})
    good = {"x_signature_ed25519": QQ_SIGNATURE, "x_signature_timestamp": "1725442341"}
    assert scheme.verify(request(b"Arq0D5A61EgUu4OxUvOp", 1725442341, **good)).once
    for body, now, headers in (
        (b"Arq0D5A61EgUu4OxUvOq", 1725442341, good),
        (b"Arq0D5A61EgUu4OxUvOp", 1725442342, {**good, "x_signature_timestamp": "1725442342"}),
        (b"Arq0D5A61EgUu4OxUvOp", 1725449999, good),
        (b"Arq0D5A61EgUu4OxUvOp", 1725442341, {**good, "x_signature_ed25519": "00"}),
    ):
        with pytest.raises(Refusal):
            scheme.verify(request(body, now, **headers))


def test_ed25519_by_public_key_accepts_what_openssl_signs(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], capture_output=True, check=True, cwd=tmp_path).stdout

    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    public = openssl("pkey", "-in", "key.pem", "-pubout", "-outform", "DER")[-32:]
    (tmp_path / "signed").write_bytes(b'1700000000{"type":1}')
    signature = openssl("pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "signed")
    scheme = scheme_of("ed25519", {"key": public.hex()}, {})
    headers = {"x_signature_ed25519": signature.hex(), "x_signature_timestamp": "1700000000"}
    scheme.verify(request(b'{"type":1}', 1700000000, **headers))
    with pytest.raises(Refusal):
        scheme.verify(request(b'{"type":2}', 1700000000, **headers))


def wx(encrypted: str = WX_ENCRYPTED, signature: str = WX_SIGNATURE, now: float = WX_TIME) -> Incoming:
    query = urlencode({"msg_signature": signature, "timestamp": WX_TIME, "nonce": WX_NONCE})
    body = f"<xml><ToUserName><![CDATA[x]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return request(body.encode(), now, query)


def wx_scheme(receiver: str = WX_APP, key: str = WX_KEY, **settings: str) -> Scheme:
    return scheme_of("sha1-aes", {"token": WX_TOKEN, "key": key, "receiver": receiver}, settings)


def test_sha1_aes_accepts_and_decrypts_tencents_example() -> None:
    plain = wx_scheme().verify(wx()).plain_body.decode()
    assert "<Content><![CDATA[abcdteT]]></Content>" in plain
    assert plain.endswith("</xml>")


@pytest.mark.parametrize(
    ("scheme", "incoming"),
    [
        (wx_scheme(), wx(signature="0" * 40)),
        (wx_scheme(), wx(encrypted="A" + WX_ENCRYPTED[1:])),
        (wx_scheme(), wx(now=WX_TIME + 400)),
        (wx_scheme("wx0000000000000000"), wx()),
        (wx_scheme(key="b" + WX_KEY[1:]), wx()),
        (wx_scheme(), request(b"<xml/>", WX_TIME, wx().query)),
        (wx_scheme(), request(wx().body, WX_TIME, wx().query + "&nonce=2")),
        (wx_scheme(), request(wx().body, WX_TIME, "")),
    ],
)
def test_sha1_aes_refuses_what_is_changed_old_or_for_others(scheme: Scheme, incoming: Incoming) -> None:
    with pytest.raises(Refusal):
        scheme.verify(incoming)


def test_sha1_aes_proves_its_address_by_the_decrypted_or_the_plain_echo() -> None:
    query = urlencode(
        {"msg_signature": WX_SIGNATURE, "timestamp": WX_TIME, "nonce": WX_NONCE, "echostr": WX_ENCRYPTED}
    )
    verified = wx_scheme().verify(request(b"", WX_TIME, query, "GET"))
    assert verified.challenge is not None
    assert b"abcdteT" in verified.challenge
    signature = hashlib.sha1("".join(sorted((WX_TOKEN, str(WX_TIME), WX_NONCE))).encode()).hexdigest()
    plain = {"signature": signature, "timestamp": WX_TIME, "nonce": WX_NONCE, "echostr": "12345"}
    assert wx_scheme().verify(request(b"", WX_TIME, urlencode(plain), "GET")).challenge == b"12345"
    with pytest.raises(Refusal):
        wx_scheme().verify(request(b"", WX_TIME, urlencode({**plain, "signature": "0" * 40}), "GET"))
    with pytest.raises(Refusal):
        wx_scheme().verify(request(b"<xml/>", WX_TIME, urlencode(plain), "POST"))


# The example of Lark's page on encrypted events: key and cipher text of "hello world".
LARK_KEY, LARK_HELLO = "test key", "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="


def lark(event: dict[str, Any], tmp_path: Path) -> bytes:
    """Encrypted as Lark does, by openssl."""
    key, iv = hashlib.sha256(LARK_KEY.encode()).hexdigest(), "00112233445566778899aabbccddeeff"
    done = subprocess.run(
        ["openssl", "enc", "-aes-256-cbc", "-K", key, "-iv", iv],
        input=json.dumps(event).encode(),
        capture_output=True,
        check=True,
    )
    return json.dumps({"encrypt": base64.b64encode(bytes.fromhex(iv) + done.stdout).decode()}).encode()


def lark_signed(body: bytes, **changes: str) -> Incoming:
    signature = hashlib.sha256(b"1700000000" + b"n1" + LARK_KEY.encode() + body).hexdigest()
    headers = {
        "x_lark_signature": signature,
        "x_lark_request_timestamp": "1700000000",
        "x_lark_request_nonce": "n1",
        **changes,
    }
    return request(body, 1700000000, **{name: value for name, value in headers.items() if value})


def test_lark_decrypts_the_example_of_its_documentation() -> None:
    scheme = scheme_of("lark", {"key": LARK_KEY, "token": "t"}, {})
    body = json.dumps({"encrypt": LARK_HELLO}).encode()
    assert scheme._decrypt(body) == b"hello world"  # type: ignore[attr-defined]


def test_lark_accepts_signed_events_and_answers_the_proof_itself(tmp_path: Path) -> None:
    scheme = scheme_of("lark", {"key": LARK_KEY, "token": "t0"}, {})
    event = {"schema": "2.0", "header": {"event_id": "e", "token": "t0"}, "event": {}}
    verified = scheme.verify(lark_signed(lark(event, tmp_path)))
    assert json.loads(verified.plain_body) == event
    assert verified.once
    proof = lark({"type": "url_verification", "token": "t0", "challenge": "c"}, tmp_path)
    answered = scheme.verify(request(proof, 1700000000))
    assert json.loads(answered.challenge or b"") == {"challenge": "c"}


def test_lark_refuses_everything_else(tmp_path: Path) -> None:
    scheme = scheme_of("lark", {"key": LARK_KEY, "token": "t0"}, {})
    good = lark({"header": {"token": "t0"}}, tmp_path)
    for incoming in (
        request(good, 1700000000),
        lark_signed(good, x_lark_signature="0" * 64),
        lark_signed(good, x_lark_request_nonce=""),
        lark_signed(good, x_lark_request_timestamp="1700000001"),
        lark_signed(lark({"header": {"token": "t1"}}, tmp_path)),
        lark_signed(b'{"header": {"token": "t0"}}'),
        lark_signed(b'{"encrypt": "AAAA"}'),
        lark_signed(b"[" * 100_000),
        request(lark({"type": "url_verification", "token": "t1", "challenge": "c"}, tmp_path), 1700000000),
    ):
        with pytest.raises(Refusal):
            scheme.verify(incoming)


def test_a_secret_token_stands_in_its_header() -> None:
    scheme = scheme_of("secret-token", {"token": "s3cret"}, {"header": "X-Telegram-Bot-Api-Secret-Token"})
    scheme.verify(request(x_telegram_bot_api_secret_token="s3cret"))
    for wrong in ("", "s3cre", "s3cret ", "S3CRET", "ключ"):
        with pytest.raises(Refusal):
            scheme.verify(request(x_telegram_bot_api_secret_token=wrong))
    bearer = scheme_of("secret-token", {"token": "s3cret"}, {})
    bearer.verify(request(authorization="Bearer s3cret"))
    with pytest.raises(Refusal):
        bearer.verify(request(authorization="s3cret"))


def token(claims: dict[str, Any], key: str = "0123456789abcdef0123456789abcdef", **header: str) -> str:
    """A token made without any JWT library."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", **header}).encode())
    text = f"{head}.{part(json.dumps(claims).encode())}"
    return f"Bearer {text}.{part(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def test_a_json_web_token_is_checked_by_signature_time_audience_and_body() -> None:
    settings = {"algorithms": ["HS256"], "audience": "bot", "issuer": "them", "body_claim": "payload_hash"}
    scheme = scheme_of("jwt", {"key": "0123456789abcdef0123456789abcdef"}, settings)
    digest = hashlib.sha256(b"body").hexdigest()
    good = {"exp": 1100, "nbf": 990, "aud": "bot", "iss": "them", "payload_hash": digest, "jti": "j1"}
    assert scheme.verify(request(b"body", 1000, authorization=token(good))).once == "j1"
    for wrong, now in (
        (token(good), 1161),
        (token(good), 900),
        (token({**good, "aud": "other"}), 1000),
        (token({**good, "iss": "other"}), 1000),
        (token({**good, "payload_hash": "0"}), 1000),
        (token({name: value for name, value in good.items() if name != "exp"}), 1000),
        (token({**good, "exp": "1100"}), 1000),
        (token(good, "0123456789abcdef0123456789abcdeX"), 1000),
        (token(good, alg="none"), 1000),
        (token(good).replace("Bearer", "Basic"), 1000),
        ("Bearer x", 1000),
        ("Bearer " + "x" * 20_000, 1000),
    ):
        with pytest.raises(Refusal):
            scheme.verify(request(b"body", now, authorization=wrong))


@pytest.mark.parametrize(
    ("name", "secrets", "settings"),
    [
        ("none", {}, {}),
        ("slack-v0", {}, {}),
        ("slack-v0", {"key": "k"}, {"window": 10**9}),
        ("hmac-sha256", {"key": "k"}, {}),
        ("hmac-sha256", {"key": "k"}, {"header": "x", "signed": "{header:y}"}),
        ("hmac-sha256", {"key": "k"}, {"header": "x", "time_header": "t"}),
        ("hmac-sha256", {"key": "k"}, {"header": "x", "encoding": "rot13"}),
        ("ed25519", {"key": "zz"}, {}),
        ("jwt", {"key": "k" * 32}, {}),
        ("jwt", {"key": "k" * 32}, {"algorithms": ["none"]}),
        ("jwt", {"key": "k" * 32}, {"algorithms": ["HS256", "RS256"]}),
        ("jwt", {"key": "short"}, {"algorithms": ["HS256"]}),
        ("lark", {"token": "t"}, {}),
        ("sha1-aes", {"token": "t", "key": WX_KEY}, {}),
        ("sha1-aes", {"token": "t", "key": "short", "receiver": "r"}, {}),
        ("secret-token", {"token": ""}, {}),
    ],
)
def test_a_scheme_that_could_not_verify_is_unusable(
    name: str, secrets: dict[str, str], settings: dict[str, Any]
) -> None:
    with pytest.raises(SchemeUnusable):
        scheme_of(name, secrets, settings)


USABLE = [
    scheme_of("slack-v0", {"key": "k"}, {}),
    scheme_of("hmac-sha1", {"key": "k"}, {"header": "x-signature"}),
    scheme_of("ed25519", {"key": "seed"}, {"key": "seed"}),
    scheme_of("lark", {"key": "k", "token": "t"}, {}),
    scheme_of("secret-token", {"token": "some token"}, {}),
    scheme_of("jwt", {"key": "k" * 32}, {"algorithms": ["HS256"]}),
    wx_scheme(),
    wx_scheme(body="json"),
]
NAMES = ["x-signature", "authorization", "x-slack-signature", "x-slack-request-timestamp", "x-lark-signature"]
NAMES += ["x-lark-request-timestamp", "x-lark-request-nonce", "x-signature-ed25519", "x-signature-timestamp"]


@given(
    st.sampled_from(USABLE),
    st.sampled_from(["GET", "POST"]),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)),
    st.text(max_size=60),
    st.binary(max_size=200),
)
def test_whatever_comes_is_refused_and_nothing_breaks(
    scheme: Scheme, method: str, headers: dict[str, str], query: str, body: bytes
) -> None:
    with pytest.raises(Refusal):
        scheme.verify(Incoming(method, headers, query, body, 1000.0))


def test_every_scheme_is_tested_here() -> None:
    assert len({type(scheme) for scheme in USABLE}) == len(SCHEMES) - 1  # hmac-sha256 is the parent of two
