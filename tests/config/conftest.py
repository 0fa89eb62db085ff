import pytest
import yaml
from snakemake.utils import update_config


@pytest.fixture
def year_raw(demo_raw, root):
    overlay = yaml.safe_load((root / "workflow" / "config" / "cams-year.yaml").read_text())
    update_config(demo_raw, overlay)
    return demo_raw
