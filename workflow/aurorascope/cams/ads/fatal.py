"""One refusal for all days: a wrong key or a missing licence stops the run instead of failing 385 times.

`FATAL.json` beside the days holds the refusal. Every download reads it before it sends anything. It is void once the
rc file or the request's form has changed, and `check_access` removes it; it never holds the key.
"""

from pathlib import Path
from typing import Any

from aurorascope.cams.ads.access import rc_digest
from aurorascope.errors import FatalError, UserError
from aurorascope.files import read_record, sha256_json, write_json
from aurorascope.redact import redact

NAME = "FATAL.json"
_PARTS = ("where", "expected", "found", "fix")


def _form(request: dict[str, Any]) -> str:
    """Digest of what all days ask for alike."""
    return sha256_json({key: value for key, value in request.items() if key not in ("date", "time")})


def record_fatal(folder: Path, error: UserError, request: dict[str, Any]) -> None:
    """Write the refusal down for the other days."""
    line = {part: redact(getattr(error, part)) for part in _PARTS}
    write_json(folder / NAME, {"kind": "fatal", "format": 1, "rc": rc_digest(), "request": _form(request), **line})


def refuse_if_fatal(folder: Path, request: dict[str, Any]) -> None:
    """End at once where an earlier day was refused for a reason that holds for this one too.

    Raises:
        FatalError: the earlier day's refusal, word for word.
    """
    path = folder / NAME
    if not path.is_file():
        return
    try:
        found = read_record(path, "fatal")
        parts = [str(found[part]) for part in _PARTS]
    except (UserError, KeyError):
        clear_fatal(folder)
        return
    if (found.get("rc"), found.get("request")) != (rc_digest(), _form(request)):
        clear_fatal(folder)
        return
    raise FatalError(*parts)


def clear_fatal(folder: Path) -> bool:
    """Remove the refusal; whether there was one."""
    there = (folder / NAME).is_file()
    (folder / NAME).unlink(missing_ok=True)
    return there
