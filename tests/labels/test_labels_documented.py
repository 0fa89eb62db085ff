"""docs/formats.md lists every label by formula, each as the code has it."""

from aurorascope.config.thresholds import YEAR
from aurorascope.labels.all import CHANGE, LABELS


def documented_rows():
    """The table of docs/formats.md, made from the labels."""
    rows = ["| label | kind | on where | unit of its field |", "|---|---|---|---|"]
    for name, label in LABELS.items():
        base = name.removesuffix(CHANGE)
        on = label.text(YEAR) if base == name else f"the field of `{base}` grew most in 12 hours"
        cells = [f"`{name}`", label.kind, on.replace("|", "\\|"), label.units]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def test_the_list_of_labels_is_that_of_the_code(root):
    """Whatever changes in a label, a threshold of the year among it, changes its line."""
    text = (root / "docs" / "formats.md").read_text()
    section = text.split("\n### Labels by formula\n")[1].split("\n### ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == documented_rows()
