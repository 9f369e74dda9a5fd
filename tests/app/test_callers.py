"""Which requests come from this machine, and which keys are none, whatever a header says."""

import ipaddress
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.access.callers import BadCredentials, Caller, Reach, address_bucket, is_loopback, read_key
from app.access.lifetimes import UNITS, parse_lifetime
from app.settings import Settings, SettingsError, load_settings
from kb.keys import LENGTH, PREFIX, Role, digest, hide_keys, new_secret

HERE, THERE = "127.0.0.1", "192.0.2.7"


def request(peer: str | None = HERE, host: str | None = "127.0.0.1:8000", **headers: str) -> Request:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    pairs += [("host", host)] if host is not None else []
    return Request(
        {
            "type": "http",
            "client": None if peer is None else (peer, 5),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        }
    )


def is_local(given_request: Request, **settings: Any) -> bool:
    return Reach(Settings(database_url=None, **settings)).is_local(given_request)


@pytest.mark.parametrize(
    ("settings", "asked", "local"),
    [
        ({}, {}, True),
        ({}, {"host": "localhost"}, True),
        ({}, {"host": "[::1]:8000"}, True),
        ({}, {"peer": "127.8.9.10"}, True),
        ({"host": "::1"}, {"peer": "::1"}, True),
        ({"host": "localhost"}, {"peer": "::ffff:127.0.0.1"}, True),
        ({}, {"peer": THERE}, False),
        ({}, {"peer": "::ffff:192.0.2.7"}, False),
        ({}, {"peer": None}, False),
        ({}, {"host": "rebound.example"}, False),
        ({}, {"host": "127.0.0.1.example"}, False),
        ({}, {"host": "[::1"}, False),
        ({}, {"host": None}, False),
        ({"host": "0.0.0.0"}, {}, False),  # noqa: S104
        ({"host": "::"}, {"peer": "::1"}, False),
        ({"host": THERE}, {}, False),
        ({}, {"forwarded": "for=127.0.0.1"}, False),
        ({}, {"x_forwarded_for": HERE}, False),
        ({}, {"x_forwarded_for": ""}, False),
        ({}, {"x_forwarded_proto": "https"}, False),
        ({}, {"x_real_ip": HERE}, False),
        ({}, {"via": "1.1 proxy"}, False),
        ({"host": "0.0.0.0", "published_host": HERE}, {"peer": "172.17.0.1"}, True),  # noqa: S104
        ({"host": "0.0.0.0", "published_host": HERE}, {"peer": "172.17.0.1", "host": "service:8000"}, False),  # noqa: S104
        ({"host": "0.0.0.0", "published_host": HERE}, {"peer": "172.17.0.1", "x_forwarded_for": HERE}, False),  # noqa: S104
        ({"host": "0.0.0.0", "published_host": "0.0.0.0"}, {"peer": HERE}, False),  # noqa: S104
        ({"host": HERE, "published_host": THERE}, {}, False),
    ],
)
def test_what_comes_from_this_machine(settings: dict[str, str], asked: dict[str, Any], local: bool) -> None:
    assert is_local(request(**asked), **settings) is local


@given(st.ip_addresses())
def test_an_address_is_of_this_machine_when_it_is_in_the_loopback_networks(ip: Any) -> None:
    networks = map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104"))
    assert is_loopback(str(ip)) is any(ip in network for network in networks if network.version == ip.version)


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_addresses_of_one_network_share_a_bucket(one: Any, other: Any) -> None:
    mapped = ipaddress.ip_network("::ffff:0:0/96")
    if one in mapped or other in mapped:
        return
    same = int(one) >> 64 == int(other) >> 64
    assert (address_bucket(str(one)) == address_bucket(str(other))) is same


def test_an_ipv4_address_has_one_bucket_however_it_is_written() -> None:
    assert address_bucket("::ffff:192.0.2.7") == address_bucket(THERE) != address_bucket("192.0.2.8")


@given(st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])))
def test_whatever_is_sent_instead_of_a_key_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(BadCredentials) as caught:
        read_key(request(authorization=value))
    words = str(caught.value)
    with pytest.raises(BadCredentials, match=r"^(?:it does not begin|what follows)"):
        read_key(request(authorization=f"Bearer {value}"))
    assert words in {"it does not begin with Bearer", "what follows Bearer has not the form of a key"}


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} ", " Bearer {}"])
def test_a_key_is_read_however_bearer_is_written(form: str) -> None:
    secret = new_secret()
    assert read_key(request(authorization=form.format(secret))) == secret
    assert read_key(request()) is None


@given(st.text(), st.text())
def test_a_key_is_hidden_wherever_it_stands(before: str, after: str) -> None:
    secret = new_secret()
    hidden = hide_keys(before + secret + after)
    assert secret not in hidden
    assert secret[len(PREFIX) :] not in hidden
    assert hide_keys(hidden) == hidden


def test_keys_are_random_and_differ() -> None:
    made = {new_secret() for _ in range(1000)}
    assert len(made) == len({digest(secret) for secret in made}) == 1000
    letters = {letter for secret in made for letter in secret.removeprefix(PREFIX)}
    assert letters == set(string.ascii_letters + string.digits)
    assert len(letters) ** LENGTH >= 2**256


@given(st.sampled_from(Role), st.sampled_from(Role))
def test_of_two_roles_one_may_do_what_the_other_may(one: Role, other: Role) -> None:
    assert one.includes(other) or other.includes(one)
    assert (one.includes(other) and other.includes(one)) is (one == other)
    assert Role.ADMIN.includes(one)
    assert one.includes(Role.READER)


@given(st.integers(1, 9999), st.sampled_from(sorted(UNITS)))
def test_a_lifetime_is_what_it_says(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]
    assert parse_lifetime(f"{number}{unit}").total_seconds() == number * seconds


@pytest.mark.parametrize("written", ["", "90", "d", "0d", "-1d", "1.5h", "90 d", "90d\n", "99999d", "９d", "1y"])
def test_what_is_no_lifetime_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no lifetime"):
        parse_lifetime(written)


def test_actor_and_bucket_of_somebody_without_a_key() -> None:
    caller = Caller(THERE, local=False)
    assert (caller.actor, caller.bucket, str(caller)) == ("anonymous", f"address:{THERE}", f"address {THERE}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trusted_proxies", "proxy.example", "Input should be addresses or networks such as 127.0.0.1,10.0.0.0/8"),
        ("read_without_key", "sometimes", "Input should be 'loopback', 'always' or 'never'"),
        ("rate_limit", "-1", "greater than or equal to 0"),
        ("rate_limit", "nan", "a finite number"),
        ("rate_burst", "0", "greater than or equal to 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=rf"NAMESAKE_{name.upper()}='{value}' cannot be used: .*{message}"):
        load_settings(**{name: value})
