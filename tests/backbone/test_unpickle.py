"""The official static file is a pickle: plain arrays are read, everything else is refused before it runs."""

import io
import os
import pickle

import numpy as np
import pytest
from aurorascope.backbone.static import make_static
from aurorascope.backbone.unpickle import load_pickled_arrays
from aurorascope.cams.variables import STATIC
from aurorascope.config.model import Ads, Cams, Split, Static
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

_SPLIT = Split(None, None, ())
_CAMS = Cams("demo", None, (500,), _SPLIT, _SPLIT, 0, (12,), (), (19, 36), True, Ads(1.0, 1, 0.0, 1.0, 1.0))


class Hostile:
    """Runs a command when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def old_numpy(data):
    """The bytes as NumPy 1 would have written them."""
    return data.replace(b"numpy._core", b"numpy.core")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_are_read_from_every_protocol_and_from_old_numpy(tmp_path, protocol):
    """Values survive, whichever NumPy wrote them."""
    arrays = {name: np.random.default_rng(0).random((9, 9), np.float32) for name in STATIC}
    data = pickle.dumps(arrays, protocol=protocol)
    for content in (data, old_numpy(data) if protocol < 4 else data):
        path = tmp_path / "static.pickle"
        path.write_bytes(content)
        read = load_pickled_arrays(path)
        assert all(np.array_equal(read[name], arrays[name]) for name in STATIC)


@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: {"z": h}, lambda h: [np.zeros(3), h]])
def test_a_hostile_pickle_is_refused_and_does_not_run(tmp_path, wrap):
    """The command inside is named in the error and never executed."""
    proof, path = tmp_path / "ran", tmp_path / "static.pickle"
    path.write_bytes(pickle.dumps(wrap(Hostile(proof))))
    with pytest.raises(UserError, match="system"):
        load_pickled_arrays(path)
    assert not proof.exists()


def test_other_content_and_damage_are_refused(tmp_path):
    """Object arrays with code, non-arrays, truncated files: one clear error each."""
    path = tmp_path / "static.pickle"
    buffer = io.BytesIO()
    pickle.dump({"z": np.array([Hostile(tmp_path / "ran")], dtype=object)}, buffer)
    for content in (buffer.getvalue(), pickle.dumps([1, 2]), pickle.dumps({"z": 1.0}), b"\x80\x04", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"static\.pickle"):
            load_pickled_arrays(path)
    assert not (tmp_path / "ran").exists()


def test_a_pinned_digest_is_compared_before_the_pickle_is_opened(tmp_path):
    """A file with another sha256 is not read at all."""
    path = tmp_path / "static.pickle"
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "ran")))
    with pytest.raises(UserError, match="expected sha256 0000"):
        make_static(Static("file", str(path), "0" * 64), _CAMS, "", tmp_path / "static.json")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_becomes_a_record_and_a_netcdf_file_once(tmp_path):
    """The official form is converted; missing and non-finite variables are named."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.random((19, 36), np.float32) for name in STATIC}
    path, record = tmp_path / "static.pickle", tmp_path / "out" / "static.json"
    path.write_bytes(pickle.dumps(arrays))
    make_static(Static("file", str(path), sha256_file(path)), _CAMS, "", record)
    from aurorascope.backbone.static import load_static

    read = load_static(record)
    assert all(np.array_equal(read[name], arrays[name]) for name in STATIC)
    arrays["slt"][3, 4] = np.nan
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(UserError, match="slt"):
        make_static(Static("file", str(path), None), _CAMS, "", record)
    del arrays["slt"]
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(UserError, match="none named slt"):
        make_static(Static("file", str(path), None), _CAMS, "", record)
