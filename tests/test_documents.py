"""README is short, and every link of README and docs leads to a file, and to a heading where it names one."""

import codeop
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "findings" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page):
    """What a page's headings are called in links: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, heading = link.partition("#")
        if path.startswith("http"):
            continue
        target = page.parent / path if path else page
        if not target.exists() or (heading and heading not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme():
    """From README over links, to all of docs."""
    reached, new = set(), [ROOT / "README.md"]
    while new:
        page = new.pop()
        reached.add(page)
        names = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text())
        new += {(page.parent / name).resolve() for name in names if not name.startswith("http")} - reached
    assert {page for page in PAGES if page.parent.name == "docs"} <= reached


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_can_be_pasted_at_the_prompt(page):
    """Line by line: what is indented ends with an empty line there, which a file can do without."""
    for snippet in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        entered = []
        for line in [*snippet.splitlines(), ""]:
            entered.append(line)
            if codeop.compile_command("\n".join(entered)) is not None:
                entered = []
        assert not entered, snippet
