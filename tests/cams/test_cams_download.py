import json
from pathlib import Path

import pytest
from aurorascope.cams.day import make_day
from aurorascope.cams.download import fetch_day
from aurorascope.errors import UserError

from tests.cams.made import DATE, OPTIONS, visible


class _Response:
    def __init__(self, status):
        self.status_code = status


@pytest.fixture
def ads(monkeypatch, tmp_path):
    """A stand-in for the client: answers with a file's bytes, or raises; keeps what it was asked."""
    cdsapi = pytest.importorskip("cdsapi")
    asked = []

    class Client:
        answer = b""

        def __init__(self, **options):
            asked.append(options)

        def retrieve(self, dataset, request, target):
            asked.append((dataset, request, Path(target)))
            if isinstance(Client.answer, Exception):
                Path(target).write_bytes(b"half")
                raise Client.answer
            Path(target).write_bytes(Client.answer)

    Client.asked = asked
    monkeypatch.setattr(cdsapi, "Client", Client)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "cdsapirc"))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    (tmp_path / "cdsapirc").write_text("url: https://ads.atmosphere.copernicus.eu/api/\nkey: s3cr3t-token\n")
    return Client


ADS = {**OPTIONS, "source": "ads"}


def test_a_download(ads, two_days, demo_zip, tmp_path):
    ads.answer = demo_zip.read_bytes()
    folder = tmp_path / "cams"
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert visible(folder) == [f"{DATE}.download.json", f"{DATE}.json", f"{DATE}.zarr", f"{DATE}.zip"]
    options, (dataset, request, target) = ads.asked
    assert options == {"url": "https://ads.atmosphere.copernicus.eu/api", "quiet": True, "progress": False}
    assert dataset == "cams-global-atmospheric-composition-forecasts"
    assert request["date"] == [f"{DATE}/{DATE}"]
    assert target != folder / f"{DATE}.zip"
    record, demo = (json.loads((place / f"{DATE}.json").read_text()) for place in (folder, two_days))
    assert record["states"] == demo["states"]
    # A zip that is there and good is not downloaded again.
    (folder / f"{DATE}.json").unlink()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert len(ads.asked) == 2


def test_a_zip_of_the_demo_is_never_taken_for_a_download(ads, demo_zip, tmp_path):
    """A zip without proof of its download is fetched anew, however good it looks."""
    folder = tmp_path / "cams"
    folder.mkdir()
    (folder / f"{DATE}.zip").write_bytes(demo_zip.read_bytes())
    ads.answer = demo_zip.read_bytes()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert len(ads.asked) == 2


@pytest.mark.parametrize("spoil", ["truncate", "flip", "html"])
def test_a_broken_download_keeps_no_name(ads, demo_zip, tmp_path, spoil):
    data = bytearray(demo_zip.read_bytes())
    if spoil == "flip":
        data[len(data) // 2] ^= 1
    ads.answer = {"truncate": bytes(data[:-5000]), "flip": bytes(data), "html": b"<html>busy</html>"}[spoil]
    with pytest.raises(UserError, match=f"download of {DATE}"):
        make_day(DATE, tmp_path / "cams" / f"{DATE}.json", **ADS)
    assert visible(tmp_path / "cams") == []


def test_a_download_with_wrong_content_is_set_aside(ads, make_zip, demo_zip, tmp_path):
    ads.answer = make_zip(lambda data: data.drop_vars("so2")).read_bytes()
    folder = tmp_path / "cams"
    with pytest.raises(UserError, match=r"none named so2.*2022-06-11.rejected.zip"):
        make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert visible(folder) == [f"{DATE}.rejected.zip"]
    ads.answer = demo_zip.read_bytes()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert visible(folder) == [f"{DATE}.download.json", f"{DATE}.json", f"{DATE}.zarr", f"{DATE}.zip"]


@pytest.mark.parametrize(
    ("status", "text", "fix"),
    [
        (401, "401 Client Error: authentication failed for s3cr3t-token", "correct the key"),
        (403, "403 Client Error: required licences not accepted\nplease visit", "accept the licence"),
        (500, "500 Server Error", "run the same command again"),
    ],
)
def test_refusals_are_one_line_without_the_key(ads, tmp_path, status, text, fix):
    requests = pytest.importorskip("requests")
    ads.answer = requests.HTTPError(text, response=_Response(status))
    with pytest.raises(UserError, match=fix) as caught:
        make_day(DATE, tmp_path / "cams" / f"{DATE}.json", **ADS)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert str(status) in caught.value.one_line()
    assert visible(tmp_path / "cams") == []


@pytest.mark.parametrize(
    ("rc", "message"),
    [
        ("url: https://cds.climate.copernicus.eu/api\nkey: s3cr3t-token\n", "ads.atmosphere.copernicus.eu"),
        ("url: https://ads.atmosphere.copernicus.eu/api/v2\nkey: s3cr3t-token\n", "v2"),
        ("url: https://ads.atmosphere.copernicus.eu/api\nkey: 1234:s3cr3t-token\n", "an old UID:key"),
    ],
)
def test_an_old_or_foreign_rc_file(ads, tmp_path, rc, message):
    (tmp_path / "cdsapirc").write_text(rc)
    with pytest.raises(UserError, match=message) as caught:
        fetch_day(DATE, tmp_path / "cams" / f"{DATE}.zip", **ADS)
    assert "s3cr3t" not in str(caught.value)
    assert not ads.asked


def test_no_rc_file(monkeypatch, tmp_path):
    pytest.importorskip("cdsapi")
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "none"))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    with pytest.raises(UserError, match=r"Missing/incomplete configuration.*cdsapirc"):
        fetch_day(DATE, tmp_path / f"{DATE}.zip", **ADS)
    assert visible(tmp_path) == []
