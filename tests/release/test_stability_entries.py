"""Comparisons of seeds in the index: of the SAEs that are there, and all made alike."""

import json

import pytest
from aurorascope.errors import UserError
from aurorascope.release.stability import stability_entries

BLOCKS = ("encoder_s0_b0", "encoder_s1_b5", "decoder_s0_b7")
SAES = [{"block": block, "sha256": block[::-1] * 4} for block in BLOCKS]


@pytest.fixture
def results(tmp_path):
    """Records of two of three blocks; the third is not measured."""
    for sae in SAES[:2]:
        change(tmp_path, sae["block"], kind="stability", block=sae["block"], sae_sha256=sae["sha256"], seeds=[0, 1, 2],
               stability_config_sha256="a" * 64, metrics={"pw_mcc": 0.5})  # fmt: skip
    return tmp_path


def change(results, name, **values):
    path = results / "stability" / name / "summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.is_file() else {}), **values}))


def test_blocks_that_are_not_measured_have_null(results):
    """Their record is not even looked for."""
    found = stability_entries(results, SAES, BLOCKS[:2])
    assert [entry["metrics"].get("pw_mcc") for entry in found] == [0.5, 0.5, None]
    assert [entry["stability_file"] is None for entry in found] == [False, False, True]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sae_sha256", "f" * 64, "the stability of SAE"),
        ("seeds", [0, 1], "seeds compared, as of encoder_s0_b0, 3, found 2"),
        ("stability_config_sha256", "b" * 64, "stability_config_sha256, as of encoder_s0_b0, aaaaaaaaaaaa, found bbbbbbbbbbbb"),
    ],
)
def test_a_mixture_is_refused(results, key, value, words):
    """Of another SAE, number of seeds or configuration: the record is named, with the command that makes it again."""
    change(results, BLOCKS[1], **{key: value})
    with pytest.raises(UserError, match=words) as refused:
        stability_entries(results, SAES, BLOCKS[:2])
    name = f"stability/{BLOCKS[1]}/summary.json"
    assert name in str(refused.value) and f"snakemake {results / name}" in str(refused.value)
