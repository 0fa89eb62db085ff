"""Blocks dealt out among jobs."""

import pytest
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config.shares import share_of, shares
from aurorascope.errors import UserError
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 50))
def test_each_block_is_in_one_share(n):
    """Whatever their number, and no share has two blocks more than another."""
    dealt = [share_of(BLOCK_IDS, share) for share in shares(n)]
    assert sorted(block for part in dealt for block in part) == sorted(BLOCK_IDS)
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("share", ["3of2", "0of2", "1of0", "one", "1of", ""])
def test_a_share_that_is_not_there_is_refused(share):
    """Rather than taken for another."""
    with pytest.raises(UserError, match="the first to the last"):
        share_of(BLOCK_IDS, share)
