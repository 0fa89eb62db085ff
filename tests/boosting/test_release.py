"""What the index says of a boost, what it refuses, and what the plan counts."""

import json

import jsonschema
import pytest
from aurorascope.boosting.train import boost_sae
from aurorascope.costs.estimate import Done, estimate
from aurorascope.costs.flops import sae_parameters
from aurorascope.errors import UserError
from aurorascope.measures.boost.measure import measure
from aurorascope.measures.boost.record import BOOST
from aurorascope.release.boosts import boost_entries
from aurorascope.release.schema import index_schema

from tests.boosting.folder import BLOCK, CPU, LABEL
from tests.config.raw import put, typed


def read(folder, name):
    return json.loads((folder.results / name).read_text())


@pytest.mark.parametrize("label", [None, LABEL])
def test_the_entry_is_that_of_the_record(folder, label):
    """Valid against the schema, whatever the label; none where nothing was evaluated; of other SAEs it is refused."""
    config = folder.boosted(target_l0=1.0, epochs=1, label=label, label_weight=3.0)
    boost_sae(config, folder.block, folder.results, CPU)
    measure(config, BLOCK, folder.results, CPU)
    names = "saes/sae_{}.json", "boosts/sae_{}.json", "boosts/evaluation/{}.json"
    sae, boost, evaluation = (read(folder, name.format(BLOCK)) for name in names)
    assert boost_entries(folder.results, [sae], [None]) == [None]
    (entry,) = boost_entries(folder.results, [sae], [evaluation])
    schema = index_schema()
    jsonschema.validate(entry, {"$ref": "#/$defs/sae/properties/boost", "$defs": schema["$defs"]})
    assert (entry["of"], entry["sha256"], entry["label"]) == (sae["sha256"], boost["sha256"], label)
    assert entry["label_weight"] == (3 if label else None)
    assert entry["architecture"] == {"activation": "topk", "released_as": "topk", "k": 1}
    with pytest.raises(UserError, match=rf"expected 'boost_sha256' .*rm -f .*boosts/evaluation/{BLOCK}.json"):
        boost_entries(folder.results, [sae], [{**evaluation, "boost_sha256": "0" * 64}])
    with pytest.raises(UserError, match=rf"expected 'of' .*rm -f .*boosts/sae_{BLOCK}.json"):
        boost_entries(folder.results, [{**sae, "sha256": "0" * 64}], [evaluation])


def test_the_plan_counts_them_where_a_plain_run_makes_them(demo_raw):
    """Operations of the second trainings in closed form, room of their weights, and less of both once some are there."""
    off = estimate(typed(demo_raw), (46, 90))
    assert BOOST.cost(typed(demo_raw), off) is None and not any(cost.boost_parameters for cost in off.blocks)
    for key, value in (("enabled", True), ("expansion", 3), ("epochs", 2)):
        put(demo_raw, f"sae.boost.{key}", value)
    config = typed(demo_raw)
    e = estimate(config, (46, 90))
    expected, room = 0, 0
    for cost in e.blocks:
        tokens, d, h, more = cost.shape[0] * cost.shape[1] * cost.shape[2], cost.width, cost.latents, 3 * cost.width
        forward = 2 * tokens * d
        # Five products a step; twice both products of the first; and on held-out snapshots both products of both.
        expected += 64 * (2 * 5 * forward * more + 2 * 2 * forward * h) + 20 * 2 * forward * (h + more)
        room += 4 * sae_parameters(d, more)
    found = BOOST.cost(config, e)
    assert found.flop == expected and found.moved == sum(148 * cost.snapshot_bytes for cost in e.blocks)
    assert e.weights_left().content - off.weights_left().content == room
    done = Done(measured={BOOST.kind.name: frozenset(config.block_ids[1:])})
    left = estimate(config, (46, 90), done)
    assert left.weights_left().content - off.weights_left().content == 4 * sae_parameters(e.blocks[0].width, 3 * e.blocks[0].width)
    assert 0 < BOOST.cost(config, left).flop < found.flop / 40
