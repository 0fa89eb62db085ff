"""An SAE is opened where its weights are those of its record, and refused with the command that makes it again."""

import json

import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.sae.opening import open_sae

from tests.architectures import ARCHITECTURES, of


@pytest.fixture(params=ARCHITECTURES)
def record(request, tmp_path):
    path = tmp_path / "saes" / "sae_encoder_s2_b0.json"
    path.parent.mkdir()
    torch.save(of(request.param), path.with_suffix(".pt"))
    write_json(path, {"kind": "sae", "released_as": request.param, "sha256": sha256_file(path.with_suffix(".pt"))})
    return path


def test_the_weights_of_a_record(record):
    """The record as it is written, and every tensor of the file."""
    sae, content = open_sae(record)
    assert content == json.loads(record.read_text()) and sae.architecture == content["released_as"]
    for name, tensor in of(sae.architecture).items():
        assert torch.equal(sae.state_dict()[name], tensor)


def test_whatever_differs_from_its_record_is_refused(record):
    """An altered byte, a missing file, a record of another kind and none at all."""
    weights, again = record.with_suffix(".pt"), f"rm -f {record} && snakemake {record} --cores 1"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    for change, where in (
        (lambda: None, weights), (weights.unlink, weights), (lambda: write_json(record, {"kind": "evaluation"}), record),
        (record.unlink, record),
    ):
        change()
        with pytest.raises(UserError) as refused:
            open_sae(record)
        assert (refused.value.where, refused.value.fix) == (str(where), again)
