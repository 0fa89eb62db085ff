"""docs/metrics.md says of every metric what the code says of it."""

import re

from aurorascope.measures.atlas.formulas import ATLAS_FORMULAS
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.measures.held_out.formulas import BASELINES, FORMULAS
from aurorascope.measures.stability.formulas import STABILITY_FORMULAS
from aurorascope.stage_saes.formulas import LIVES


def rows(text, heading):
    """name: (formula id, definition) of the table under a heading."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = [re.fullmatch(r"\| `(\w+)` \| `(\w+)` \| (.+) \|", line) for line in section.splitlines()]
    return {name: (formula_id, definition) for name, formula_id, definition in (row.groups() for row in found if row)}


def test_every_metric_is_documented_as_it_is_defined(root):
    """The same names, formula ids and words, in the same order; and no formula id means two things."""
    text = (root / "docs" / "metrics.md").read_text()
    for heading, formulas in (("Metrics", FORMULAS), ("Baselines", BASELINES), ("Stability", STABILITY_FORMULAS),
                              ("SAEs of stages", LIVES), ("Boosts", BOOST_FORMULAS), ("Atlas", ATLAS_FORMULAS)):
        found = rows(text, heading)
        assert found == formulas
        assert list(found) == list(formulas)
    ids = [formula_id for formula_id, _ in (*FORMULAS.values(), *BASELINES.values())]
    assert len(set(ids)) == len(ids)


def test_every_published_formula_is_in_the_comparison(root):
    """Each formula that benchmarks/fve_formulas.py reproduces has a row in the measured table."""
    text = (root / "docs" / "metrics.md").read_text()
    script = (root / "benchmarks" / "fve_formulas.py").read_text()
    names = re.findall(r'^    "(\w+)": \(', script, re.MULTILINE)
    assert len(names) == 13
    assert all(f"| `{name}` | " in text for name in names)
