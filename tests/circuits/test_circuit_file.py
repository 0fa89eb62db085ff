"""Circuits' files: what is refused with the file's name before anything runs."""

import pytest
import yaml
from aurorascope.circuits.circuit_file import circuit_names, read_circuit_file
from aurorascope.errors import UserError


@pytest.mark.parametrize(("changes", "words"), [
    ({"outcome": ""}, "outcome: expected a name of letters, digits, _ and -"),
    ({"outcome": "../../x"}, "outcome: expected a name of letters, digits, _ and -"),
    ({"outcome": 5}, "outcome: expected a name of letters, digits, _ and -"),
    ({"n_sets": 10**21}, "n_sets: expected an integer of at most 1000"),
    ({"n_partitions": 10**21}, "n_partitions: expected an integer of at most 1000"),
    ({"most": 10**21}, "most: expected an integer of at most 1000"),
    ({"seed": 10**21}, "seed: expected an integer of at most"),
    ({"n_sets": True}, "n_sets: expected an integer of at least 0"),
    ({"share": "٠.٥"}, "share: expected a finite number"),
    ({"share": "0_1"}, "share: expected a finite number"),
    ({"halves": [["2022-06-01", "2022-06-01"], ["2022-06-02"]]}, "halves: expected dates YYYY-MM-DD, each once"),
])
def test_a_wrong_file_is_refused(tmp_path, changes, words):
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"outcome": "jet", **changes}, allow_unicode=True))
    with pytest.raises(UserError) as caught:
        read_circuit_file("one", tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'one.yaml'}, {words}")


@pytest.mark.parametrize("name", ["", "../../x"])
def test_a_name_that_no_file_should_have_is_refused(tmp_path, name):
    assert circuit_names(tmp_path) == []
    with pytest.raises(UserError, match="a name of letters, digits, _ and -"):
        read_circuit_file(name, tmp_path)
