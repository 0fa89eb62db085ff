"""Address and key: what is known to be wrong is named before anything is sent."""

import os

import pytest
from aurorascope.cams.ads.access import find_access, rc_digest
from aurorascope.cams.request import ADS_URL
from aurorascope.errors import FatalError

KEY = "5e884898-da28-4715-canary"


@pytest.fixture
def rc(tmp_path, monkeypatch):
    """Writes the rc file that the client reads, private to its owner."""
    path = tmp_path / "cdsapirc"
    monkeypatch.setenv("CDSAPI_RC", str(path))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)

    def write(text):
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def test_a_good_file(rc):
    path = rc(f"url: {ADS_URL}\nkey: {KEY}\n")
    access = find_access()
    assert (access.url, access.key, access.verify, access.rc, access.warnings) == (ADS_URL, KEY, True, path, ())
    assert KEY not in repr(access)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"url: https://cds.climate.copernicus.eu/api\nkey: {KEY}\n", "Climate Data Store.*CDSAPI_RC"),
        (f"url: https://cds-beta.climate.copernicus.eu/api\nkey: {KEY}\n", "Climate Data Store"),
        (f"url: {ADS_URL}/v2\nkey: {KEY}\n", "closed in 2024"),
        (f"url: {ADS_URL}/v2/\nkey: {KEY}\n", "closed in 2024"),
        (f"url: {ADS_URL}/\nkey: {KEY}\n", "a slash at its end"),
        (f"url: https://ads.atmosphere.copernicus.eu\nkey: {KEY}\n", "does not end in /api"),
        (f"url: http://ads.atmosphere.copernicus.eu/api\nkey: {KEY}\n", "send the key in clear"),
        (f"url: ads.atmosphere.copernicus.eu/api\nkey: {KEY}\n", "no web address"),
        (f"url: {ADS_URL}\nkey: 12345:{KEY}\n", "old form UID:KEY"),
        (f"url: {ADS_URL}\nkey: '{KEY}'\n", "quotes, spaces"),
        (f"url: {ADS_URL}\nkey: {KEY} x\n", "quotes, spaces"),
        (f"url: {ADS_URL}\nkey: {KEY}→\n", "odd characters"),
        (f"url: {ADS_URL}\nkey: <PERSONAL-ACCESS-TOKEN>\n", "a placeholder"),
        (f"url: {ADS_URL}\nkey:\n", "expected the personal access token.*nothing"),
        (f"url: {ADS_URL}\n", "one of them is missing"),
        (f"key: {KEY}\n", "one of them is missing"),
        ("", "one of them is missing"),
        (f"url: {ADS_URL}\nkey: {KEY}\nverify: yes\n", "0 or 1"),
    ],
    ids=lambda value: "" if KEY in value else None,
)
def test_what_is_wrong_is_named(rc, text, message):
    rc(text)
    with pytest.raises(FatalError, match=message) as caught:
        find_access()
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_no_file(rc, tmp_path):
    with pytest.raises(FatalError, match=r"cdsapirc: expected a file .* no such file\. Next: put the two lines"):
        find_access()
    (tmp_path / "cdsapirc").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FatalError, match="a text file"):
        find_access()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read(rc):
    rc("").chmod(0)
    with pytest.raises(FatalError, match="a readable file"):
        find_access()


def test_the_environment_beats_the_file(rc, monkeypatch):
    rc(f"url: {ADS_URL}\nkey: {KEY}\n")
    monkeypatch.setenv("CDSAPI_KEY", "1:other-canary")
    with pytest.raises(FatalError, match="the variable CDSAPI_KEY.*old form") as caught:
        find_access()
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("CDSAPI_KEY", "other-canary")
    assert find_access().key == "other-canary"


def test_what_is_unusual_but_works(rc):
    path = rc(f"url: http://127.0.0.1:1/api\nkey: {KEY}\nverify: 0\n")
    path.chmod(0o644)
    access = find_access()
    assert not access.verify
    assert [sum(word in warning for warning in access.warnings) for word in ("read by others", "verify: 0", "127.0.0.1")] == [1, 1, 1]


def test_the_digest_tells_a_changed_file(rc):
    nothing = rc_digest()
    path = rc("key: a\n")
    first = rc_digest()
    os.utime(path, ns=(1, 1))
    assert len({nothing, first, rc_digest()}) == 3
