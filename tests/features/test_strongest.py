import numpy as np
import torch
from aurorascope.features.strongest import NO_FEATURE, strongest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

# Few values, so that ties and zeros are common.
TOKENS = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=st.sampled_from([-3, -1.5, 0, 1.5, 3]))


@given(h_nh=TOKENS, data=st.data())
def test_the_strongest_come_first_and_ties_go_to_the_lower_index(h_nh, data):
    """Against a plain sort of each token's active features by (magnitude, index)."""
    k = data.draw(st.integers(1, h_nh.shape[1]))
    index_nk, value_nk = strongest(torch.from_numpy(h_nh), k)
    assert (index_nk.dtype, value_nk.dtype) == (np.int32, np.float32)
    for token, index, value in zip(h_nh, index_nk, value_nk, strict=True):
        expected = sorted(np.flatnonzero(token).tolist(), key=lambda j: (-abs(token[j]), j))[:k]
        missing = k - len(expected)
        assert index.tolist() == expected + [NO_FEATURE] * missing
        np.testing.assert_array_equal(value, [*token[expected], *[np.nan] * missing])
