"""A record of matches that says other than its table is refused."""

import json

import pytest
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.matching.codes import match_codes
from aurorascope.matching.read import KIND, check_match, read_match

from tests.matching.made import AREA_P, SWAPS, read, weather


@pytest.fixture
def path(tmp_path):
    found = match_codes(read(weather(6), weather(8, 1)), SWAPS, AREA_P, (6, 8), False)
    record = KIND.where(tmp_path, a="encoder_s0_b0", b="encoder_s1_b0")
    table = record.with_suffix(".parquet")
    write_table(table, found.table())
    write_json(record, {"kind": KIND.name, "format": 1, "table_sha256": sha256_file(table), **found.content()})
    return record


@pytest.mark.parametrize(("key", "value"), [("n_matched", 5), ("score_mean", 0.9), ("share_alike", 1.0), ("n_above_chance", 6), ("share_above_chance", 0.9)])
def test_numbers_are_those_of_the_table(path, key, value):
    check_match(path)
    record, table = read_match(path)
    assert record["n_matched"] == len(table) == 6 and record[key] != value
    path.write_text(json.dumps({**record, key: value}))
    with pytest.raises(UserError, match=f"{key}: .*, which its table gives"):
        check_match(path)
