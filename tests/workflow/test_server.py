"""What the forks for Snakemake's commands share is what each would make itself."""

import importlib
import io
import types
from pathlib import Path

import pytest

from tests.workflow import server
from tests.workflow.project import ROOT, Project, tiny_config

pytestmark = pytest.mark.slow


def test_rules_parsed_once_are_what_the_parser_makes_of_them(tmp_path, monkeypatch):
    """Code, lines and numbers of rules, of the same text in another folder too."""
    importlib.import_module("snakemake.cli")
    workflow, files = importlib.import_module("snakemake.workflow"), importlib.import_module("snakemake.sourcecache")
    texts = types.SimpleNamespace(open=lambda path: io.StringIO(Path(path.get_path_or_uri(secret_free=True)).read_text()))
    reads = types.SimpleNamespace(sourcecache=texts)
    other, kept = Project.create(tmp_path / "other", tiny_config()).path, tmp_path / "kept"
    kept.mkdir()
    parse = workflow.parse
    monkeypatch.setattr(workflow, "parse", parse)
    server._share_parsed(kept)
    n_files = 0
    for folder in (ROOT, other):
        count, n_files = 0, 0
        for file in (folder / "Snakefile", *sorted((folder / "workflow" / "rules").glob("*.smk"))):
            lines, shared_lines = {}, {}
            expected = parse(files.LocalSourceFile(str(file)), reads, lines, rulecount=count)
            assert workflow.parse(files.LocalSourceFile(str(file)), reads, shared_lines, rulecount=count) == expected
            assert shared_lines == lines
            count, n_files = expected[1], n_files + 1
    # Nothing was parsed anew in the second folder.
    assert len(list(kept.iterdir())) == n_files > 20 and count > 50
