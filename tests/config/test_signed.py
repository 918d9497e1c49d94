"""Documents that are signed."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, bulkhead
from svcgov.cli import main
from svcgov.config._signed import DocumentKeys
from svcgov.config.sources import raw_of
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "k1=a secret of sixteen"
OTHER = "k2=another of sixteen bytes"
PAYLOAD = '{"policies": {"payments": {"bulkhead": 7}}}'


def keys(*given: str) -> DocumentKeys:
    """Keys, the first of which signs."""
    return DocumentKeys(given or (SECRET,), "keys")


def sealed(by: DocumentKeys | None = None, **changes: Any) -> bytes:
    """An envelope."""
    where: dict[str, Any] = {"stage": "", "service": "orders", "layer": "file", "revision": 7}
    return (by or keys()).sealed(changes.pop("payload", PAYLOAD), **{**where, **changes})


def forged(**changes: Any) -> bytes:
    """An envelope that somebody has changed."""
    return json.dumps({**json.loads(sealed()), **changes}).encode()


@pytest.fixture
def governor(monkeypatch: pytest.MonkeyPatch) -> Governor:
    """One that takes signed documents only."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", f"{SECRET},{OTHER}")
    return Governor(service="orders")


def test_a_signed_document_is_taken(governor: Governor) -> None:
    """By any of the keys; its revision is the one that was signed."""
    for number, by in enumerate((SECRET, OTHER), 7):
        applied = governor.apply(sealed(keys(by), revision=number))
        assert applied
        assert applied.revision == str(number)
    assert bulkhead(1, name="payments").settings.limit == 7


def test_what_is_signed_is_a_line_each() -> None:
    """In this order: what was signed yesterday, or by another program, is good."""
    lines = "svcgov/1\nprod\norders\nservice\n7\n{}"
    signature = hmac.digest(SECRET.partition("=")[2].encode(), lines.encode(), "sha256")
    wanted = {"rev": 7, "payload": "{}", "sig": base64.b64encode(signature).decode(), "kid": "k1"}
    assert json.loads(sealed(payload="{}", stage="prod", layer="service")) == wanted


@pytest.mark.parametrize(
    "envelope",
    [
        PAYLOAD.encode(),
        b"",
        b"[]",
        b"bulkhead = 3",
        forged(rev=8),
        sealed(revision=True),
        forged(rev="7"),
        forged(payload="{}"),
        forged(payload=3),
        forged(sig="AAAA"),
        forged(sig="ä"),
        forged(sig=None),
        forged(kid="k3"),
        forged(kid=["k1"]),
        sealed(keys("k1=a secret of sixteem")),
        sealed(stage="prod"),
        sealed(service="search"),
        sealed(layer="service"),
    ],
)
def test_what_is_not_signed_for_this_place_is_refused(governor: Governor, envelope: bytes) -> None:
    """A signature is good for one stage, service, layer and revision, and for exactly those bytes."""
    assert governor.apply(sealed(payload="{}", revision=0))
    refused: Any = governor.apply(envelope)
    assert not refused
    assert [error.path for error in refused.errors] == ["document"]
    assert bulkhead(1, name="payments").settings.limit == 1


def test_an_older_revision_is_refused(governor: Governor) -> None:
    """Once a later one has been in force; the same one again does no harm."""
    assert governor.apply(sealed(revision=8))
    assert governor.apply(sealed(revision=8))
    refused: Any = governor.apply(sealed(revision=7, payload="{}"))
    assert "expected revision 8, which has been in force, or a later one, got 7" in str(refused.errors[0])
    assert bulkhead(1, name="payments").settings.limit == 7


def test_there_may_be_a_least_revision(monkeypatch: pytest.MonkeyPatch, governor: Governor) -> None:
    """Said by the environment."""
    monkeypatch.setenv("SVCGOV_MIN_REVISION", "8")
    assert not governor.apply(sealed(revision=7))
    assert governor.apply(sealed(revision=8))
    monkeypatch.setenv("SVCGOV_MIN_REVISION", "some")
    with pytest.raises(ConfigError, match="SVCGOV_MIN_REVISION: expected an integer >= 0, got 'some'"):
        Governor(scope="shop").apply({})


def test_a_signed_document_is_checked_like_any_other(governor: Governor) -> None:
    """The key says who has made it, not that it is right."""
    refused: Any = governor.apply(sealed(payload='{"policies": {"payments": {"bulkhead": 0}}}'))
    assert refused.errors[0].path == "policies.payments.bulkhead"
    refused = governor.apply(sealed(payload="{"))
    assert "a document in JSON" in str(refused.errors[0])


def test_the_code_s_own_mapping_needs_no_signature(governor: Governor) -> None:
    """Whoever can change the code needs no document."""
    assert governor.apply({"policies": {"payments": {"bulkhead": 7}}})


@pytest.mark.parametrize("given", [(), ("k1=one of fifteen.",), ("no name at all",), ("=a secret of sixteen",)])
def test_what_cannot_be_a_key(given: tuple[str, ...]) -> None:
    """It is not shown."""
    with pytest.raises(ConfigError, match="keys: expected name=secret, with secrets of at least 16 bytes") as caught:
        DocumentKeys(given, "keys")
    assert "sixteen" not in str(caught.value)
    assert repr(keys("k1=one of sixteen..")) == "DocumentKeys(k1)"


def test_what_can_be_no_text_is_refused(governor: Governor) -> None:
    """JSON can say it, in whatever is signed and in the signature."""
    for envelope in (sealed(payload="\ud800"), forged(sig="\ud800"), forged(payload="\ud800"), forged(kid="\ud800")):
        assert not governor.apply(envelope)


def test_the_command_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is right, by the first key."""
    path = tmp_path / "svcgov.toml"
    path.write_text("[policies.payments]\nbulkhead = 7")
    command = ["sign", "--service", "orders", "--revision", "9", str(path)]
    assert main(command) == 1
    assert "error: SVCGOV_DOCUMENT_KEYS: expected name=secret" in capsys.readouterr().err
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", SECRET)
    assert main(command) == 0
    assert Governor(service="orders").apply(capsys.readouterr().out.encode())
    assert bulkhead(1, name="payments").settings.limit == 7
    path.write_text("x = 1")
    assert main(command) == 1
    assert f"{path}: x: expected one of" in capsys.readouterr().err


@pytest.mark.parametrize(("layer", "whose"), [("fleet", "fleet"), ("group", "web")])
def test_what_holds_for_many_is_signed_for_many(
    governor: Governor, monkeypatch: pytest.MonkeyPatch, layer: str, whose: str
) -> None:
    """A document of the fleet is nobody's own, and one of a group is that of the group."""
    monkeypatch.setenv("SVCGOV_GROUP", "web")
    documents: Any = governor._under()
    for service, right in (("orders", False), ("group", False), (whose, True)):
        found = raw_of(sealed(service=service, layer=layer)).replace(layer=layer)
        assert bool(documents.apply(found)) is right
