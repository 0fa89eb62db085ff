"""SAEs that nobody should use are named with the reason, and no others."""

import pytest
from aurorascope.release.quality import UNFIT, faults, quality_flags


def _pair(block="encoder_s0_b0", fve=0.9, l0=32.0, target=32.0, frac_dead=0.1):
    return {"block": block, "training": {"target_l0": target}}, {"metrics": {"fve": fve, "l0": l0, "frac_dead": frac_dead}}


@pytest.mark.parametrize(("changes", "said"), [
    ({}, []), ({"fve": -2.8e14}, ["explains less than the mean activation does, FVE -2.8e+14"]), ({"fve": 0.0}, []),
    ({"l0": 65}, ["L0 65 where 32 was asked for"]), ({"l0": 15}, ["L0 15 where 32 was asked for"]), ({"l0": 64}, []), ({"l0": 16}, []),
    ({"frac_dead": 0.5}, []), ({"frac_dead": 0.994}, ["99% of its features are dead"]), ({"l0": 900, "target": None}, []), ({"fve": -1, "l0": 0}, ["explains less than the mean activation does, FVE -1", "L0 0 where 32 was asked for"]),
])
def test_faults(changes, said):
    assert faults(*_pair(**changes)) == said


def test_flags_count_and_name():
    """Four are named, all are counted; one training snapshot is a flag of its own; a sound suite has none."""
    bad = [_pair(f"encoder_s1_b{i}", fve=-1) for i in range(6)]
    flags = quality_flags([_pair(), *bad], 1)
    assert len(flags) == 2 and all(flag.startswith(UNFIT) for flag in flags)
    assert flags[0].startswith("not to be used as they are, 6 SAEs: encoder_s1_b0 (explains") and flags[0].endswith("; … and 2 more SAEs")
    assert quality_flags([_pair()], 2) == []
