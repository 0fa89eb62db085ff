"""`snakemake --report`: sorted by stage, with captions, and nothing that a browser would fetch from elsewhere."""

import html.parser
import re
import zipfile

import pytest

from tests.workflow.project import BLOCKS

pytestmark = pytest.mark.slow
_FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Fetched(html.parser.HTMLParser):
    """Collects what the tags of a page make a browser fetch, and its style sheets."""

    def __init__(self, text):
        super().__init__()
        self.found, self.styles, self._is_style = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note the attribute that is fetched."""
        self._is_style = tag == "style"
        value = dict(attrs).get(_FETCHED.get(tag))
        if value is not None:
            self.found.append(value)

    def handle_data(self, data):
        """Keep style sheets."""
        if self._is_style:
            self.styles.append(data)


@pytest.fixture(scope="module")
def archive(suite, tmp_path_factory):
    """The report of the finished suite, unpacked."""
    project = suite.copy(tmp_path_factory.mktemp("report") / "project")
    done = project.run("--report", "results/report.zip")
    assert done.returncode == 0, done.stderr[-3000:]
    with zipfile.ZipFile(project.result("report.zip")) as opened:
        opened.extractall(project.path / "unpacked")
    return project, next((project.path / "unpacked").rglob("report.html"))


def test_the_page_fetches_nothing_from_elsewhere(archive):
    """No tag and no style sheet names another host; pictures and tables lie beside the page."""
    _, page = archive
    fetched = Fetched(page.read_text())
    targets = fetched.found + re.findall(r"url\(\s*['\"]?([^'\")]+)", " ".join(fetched.styles))
    assert not [target for target in targets if not target.startswith(("data:", "#"))]
    assert "@import" not in " ".join(fetched.styles)


def test_every_figure_and_its_table_is_in_it(archive):
    """What lies beside the page is, byte for byte, every file of results/figures."""
    project, page = archive
    beside = {path.name: path.read_bytes() for path in (page.parent / "data").rglob("*.*")}
    assert beside == {path.name: path.read_bytes() for path in project.result("figures").rglob("*.*")}
    assert {f"{block}.{kind}" for block in BLOCKS for kind in ("png", "csv")} <= set(beside)


def test_figures_are_sorted_by_stage_and_explained(archive):
    """The headings are the suite and the stages that have a block; captions are filled in."""
    text = archive[1].read_text()
    for heading in ("Suite", "Encoder, stage 0", "Encoder, stage 1", "Decoder, stage 0", "Decoder, stage 2"):
        assert f'"{heading}"' in text
    assert '"Encoder, stage 2"' not in text
    for words in ("drawn as the U-Net", "latent level and latitude band", "The SAE of one block", f"One feature of {BLOCKS[0]}"):
        assert words in text
    assert "{{" not in re.findall(r"One feature of [^:]*", text)[0]
