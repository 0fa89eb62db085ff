"""Address and key of the data store, found by the client's own rules and checked before anything is sent.

The client looks into CDSAPI_URL and CDSAPI_KEY, then into the file CDSAPI_RC (~/.cdsapirc). It accepts addresses and
keys of services that no longer exist and then fails with a bare 404, so what is known to be wrong is named here.
"""

import ipaddress
import os
import stat
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from aurorascope.cams.request import ADS_URL
from aurorascope.errors import FatalError
from aurorascope.files import sha256_bytes
from aurorascope.redact import hide

HELP = f"put the two lines 'url: {ADS_URL}' and 'key: <your token>' into"
_TOKEN = "the personal access token of your profile page on https://ads.atmosphere.copernicus.eu"


@dataclass(frozen=True)
class Access:
    """How to reach the store.

    Attributes:
        url: address of its interface, without a slash at the end.
        key: personal access token; not shown by `repr`.
        verify: check the server's certificate.
        rc: the file that the client reads.
        warnings: what is unusual but works, as sentences.
    """

    url: str
    key: str = field(repr=False)
    verify: bool
    rc: Path
    warnings: tuple[str, ...]


def rc_path() -> Path:
    """The file that the client would read."""
    return Path(os.environ.get("CDSAPI_RC", os.path.expanduser("~/.cdsapirc")))


def rc_digest() -> str:
    """Digest of the time at which the rc file was last changed: another one means that the user did something."""
    try:
        changed = str(rc_path().stat().st_mtime_ns)
    except OSError:
        changed = "none"
    return sha256_bytes(changed.encode())


def find_access() -> Access:
    """Read and check address and key; the key is registered as a secret.

    Raises:
        FatalError: there is none, or it cannot work; the message says what to put where.
    """
    # Only the client's import is slow, and only a download needs it.
    import cdsapi.api

    rc = rc_path()
    hide(os.environ.get("CDSAPI_KEY"))
    try:
        if rc.is_file():
            hide(cdsapi.api.read_config(rc).get("key"))
        url, key, verify = cdsapi.api.get_url_key_verify(None, None, None)
    except UnicodeDecodeError:
        raise FatalError(rc, "a text file", "bytes that are not text", f"{HELP} {rc}") from None
    except OSError as error:
        raise FatalError(rc, "a readable file", error.strerror or "an error", f"chmod 600 {rc}") from None
    except ValueError:
        raise FatalError(f"{rc}, the line verify", "0 or 1", "something else", "correct or remove it") from None
    # The client raises a plain Exception where a line is missing.
    except Exception:
        raise _missing(rc) from None
    _check_url(url, "the variable CDSAPI_URL" if "CDSAPI_URL" in os.environ else f"{rc}, the line url", rc)
    _check_key(key, "the variable CDSAPI_KEY" if "CDSAPI_KEY" in os.environ else f"{rc}, the line key", rc)
    return Access(url, key, verify, rc, tuple(_warnings(url, verify, rc)))


def _missing(rc: Path) -> FatalError:
    if not rc.is_file():
        return FatalError(rc, "a file with the address and key of the data store", "no such file", f"{HELP} {rc}")
    return FatalError(rc, "the lines url: and key:", "one of them is missing", f"{HELP} {rc}")


def _check_url(url: str, where: str, rc: Path) -> None:
    parts = urllib.parse.urlsplit(url)
    cds = parts.hostname is not None and parts.hostname.startswith("cds")
    faults = [
        (parts.scheme not in ("http", "https") or not parts.hostname, "no web address"),
        (cds, "the address of the Climate Data Store, which has no CAMS forecasts"),
        (parts.path.rstrip("/").endswith("/v2"), "the address of the service closed in 2024 (it ends in /v2)"),
        (url.endswith("/"), "a slash at its end, which the service answers with 404"),
        (not parts.path.endswith("/api"), "an address that does not end in /api"),
        (parts.scheme == "http" and not _is_loopback(parts.hostname), "http, which would send the key in clear"),
    ]
    for wrong, found in faults:
        if wrong:
            more = f", or give the store a file of its own: export CDSAPI_RC=~/.adsapirc; {HELP} it" if cds else ""
            raise FatalError(where, ADS_URL, f"{found}: {url}", f"write url: {ADS_URL} there{more}")


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _check_key(key: str, where: str, rc: Path) -> None:
    faults = [
        (not key, "nothing"),
        (key.startswith("<") or "your" in key.lower(), "a placeholder"),
        (":" in key, "a key of the old form UID:KEY, which the service no longer takes"),
        (any(not c.isascii() or not c.isprintable() or c in " '\"" for c in key), "quotes, spaces or other odd characters"),
    ]
    for wrong, found in faults:
        if wrong:
            raise FatalError(where, _TOKEN, found, f"write key: <your token> there, without quotes ({rc})")


def _warnings(url: str, verify: bool, rc: Path) -> list[str]:
    warnings = []
    if rc.is_file() and rc.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        warnings.append(f"{rc} can be read by others: chmod 600 {rc}")
    if not verify:
        warnings.append(f"{rc} says verify: 0, so the server's certificate is not checked: remove that line.")
    if url != ADS_URL:
        warnings.append(f"The address is {url} and not {ADS_URL}.")
    return warnings
