"""The Python of docs/formats.md runs beside the results of a run, without a warning."""

import re
import warnings

import pytest

from tests.workflow.project import ROOT

pytestmark = pytest.mark.slow
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE | re.DOTALL)


def test_stores_open_as_the_docs_show_it(suite, monkeypatch):
    """With labels, and with each warning an error."""
    (snippet,) = [text for text in SNIPPETS if "open_zarr" in text]
    monkeypatch.chdir(suite.path)
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(snippet, "docs/formats.md", "exec"), names)
    assert names["store"]["activation"].dims == ("time", "latent_level", "y", "x", "channel")
    assert {"lat", "lon", "latent_level"} <= set(names["store"].coords) and "t2m" in names["states"]
