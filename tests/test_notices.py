"""What a user should read even where nothing failed: said once, at the end, and no more than fits a screen."""

import pytest
from aurorascope.notices import VARIABLE, collected, shortened, tell


def test_lines_are_collected_and_said_once(tmp_path, monkeypatch, capsys):
    path = tmp_path / "notices.txt"
    monkeypatch.setenv(VARIABLE, str(path))
    tell(["one\nline", "two"])
    tell(["two"])
    tell([])
    assert capsys.readouterr().err == ""
    assert collected(path) == ["one line", "two"] and not path.exists() and collected(path) == []


def test_by_hand_they_are_said_at_once(monkeypatch, capsys):
    monkeypatch.delenv(VARIABLE, raising=False)
    tell(["one", "two"])
    assert capsys.readouterr().err == "one\ntwo\n"


@pytest.mark.parametrize(("n", "shown"), [(0, 0), (3, 3), (4, 4), (5, 4), (90, 4)])
def test_many_are_shortened(n, shown):
    """One more than fits is not replaced by a line that says so."""
    lines = shortened([str(i) for i in range(n)], "lines", 3)
    assert len(lines) == shown and (n <= 4 or lines[-1] == f"… and {n - 3} more lines")
