"""One block's error keeps no other from its end, and all of them end as one."""

import pytest
from aurorascope.errors import UserError
from aurorascope.failures import Failures


def work(blocks, wrong):
    failures, done = Failures(len(blocks)), []
    for block in blocks:
        with failures.kept(block):
            if block in wrong:
                raise UserError(block, "one thing", "another", f"mend {block}")
            done.append(block)
    return failures, done


def test_the_others_go_on_and_the_first_error_names_all(caplog):
    failures, done = work(["a", "b", "c", "d"], "bd")
    assert done == ["a", "c"] and [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"{block}: expected one thing, found another. Next: mend {block}" for block in "bd"
    ]
    with pytest.raises(UserError) as error:
        failures.end()
    assert error.value.one_line() == "b (and in all 2 of 4 blocks: b, d): expected one thing, found another. Next: mend b"


def test_without_errors_nothing_is_raised():
    failures, done = work(["a", "b"], "")
    failures.end()
    assert done == ["a", "b"]


def test_a_defect_is_raised_at_once():
    failures = Failures(2)
    with pytest.raises(ZeroDivisionError), failures.kept("a"):
        raise ZeroDivisionError
    failures.end()
