"""A registered secret appears in no line of ours."""

import io
import logging

from aurorascope.redact import Formatter, hide, redact


def test_secrets_disappear_from_texts():
    hide("t0ken-canary")
    hide("t0ken-canary-longer")
    hide("ab")
    hide(None)
    assert redact("PRIVATE-TOKEN: t0ken-canary, t0ken-canary-longer, ab") == "PRIVATE-TOKEN: <key>, <key>, ab"


def test_secrets_disappear_from_logs_and_tracebacks():
    hide("l0g-canary")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter("%(message)s"))
    logger = logging.getLogger("test_redact")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.debug("CDSAPI %s", {"key": "l0g-canary"})
    try:
        raise ValueError("header 'l0g-canary'")
    except ValueError:
        logger.exception("failed with %s", "l0g-canary")
    assert stream.getvalue().count("<key>") == 4
    assert "canary" not in stream.getvalue().replace("<key>", "")
