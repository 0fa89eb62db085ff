import io
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from aurorascope.errors import UserError
from aurorascope.files import (
    atomic_write,
    check_file,
    publish_folder,
    read_record,
    sha256_bytes,
    sha256_file,
    sha256_json,
    sweep,
    write_bytes,
    write_json,
    write_table,
    write_text,
)
from hypothesis import given
from hypothesis import strategies as st


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_leaves_only_the_file(tmp_path):
    """A finished write leaves the content under its name, no temporary file, and the usual permissions."""
    path = tmp_path / "new" / "file.bin"
    with atomic_write(path) as file:
        file.write(b"abc")
        assert not path.exists()
    plain = tmp_path / "new" / "plain"
    plain.touch()
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode == plain.stat().st_mode
    assert names(path.parent) == ["file.bin", "plain"]


def test_exception_inside_leaves_the_old_content(tmp_path):
    """An error in the block leaves the file as it was and no temporary file."""
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_interrupt_inside_leaves_the_old_content(tmp_path):
    """So does Ctrl-C."""
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path):
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["file.pt", "file[1].pt", "*"])
def test_a_sweep_takes_what_a_kill_left_of_one_file(tmp_path, name):
    """A process killed while it writes leaves a hidden file; the file itself and those of other names stay."""
    path = tmp_path / name
    write_text(path, "old")
    code = (
        "import os, sys\n"
        "from aurorascope.files import atomic_write\n"
        "for path in sys.argv[1:]:\n"
        "    if not os.fork():\n"
        "        with atomic_write(path):\n"
        "            os.kill(os.getpid(), 9)\n"
        "    os.wait()\n"
    )
    written = [str(path), str(path), f"{path}.json", str(tmp_path / "file1.pt")]
    subprocess.run([sys.executable, "-c", code, *written], check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert len(names(tmp_path)) == 5
    sweep(path)
    left = [found.rsplit(".", 2)[0] for found in names(tmp_path) if found != name]
    assert left == sorted([f".{name}.json", ".file1.pt"])
    assert path.read_text() == "old"


def test_a_sweep_of_nothing_is_none(tmp_path):
    """Neither an empty folder nor one that is not there is an error."""
    sweep(tmp_path / "file")
    sweep(tmp_path / "nowhere" / "file")
    assert names(tmp_path) == []


def test_full_disk_is_a_user_error(tmp_path):
    """Where the system refuses more bytes, the user gets one error, and the folder is as before."""
    path = tmp_path / "file"
    write_text(path, "old")
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from aurorascope.errors import UserError\n"
        "from aurorascope.files import write_bytes\n"
        "try:\n"
        "    write_bytes(sys.argv[1], bytes(100_000))\n"
        "except UserError as error:\n"
        "    print(error.one_line())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        # Under this limit Python would leave truncated caches beside the library, and every later import would fail.
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{path}: expected a writable place with enough free space")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("place", ["a file", "/proc/aurorascope"])
def test_unwritable_place_is_a_user_error(tmp_path, place):
    """A folder that cannot be made or written to gives one error that names it."""
    parent = tmp_path / "file" if place == "a file" else place
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="expected a writable place"):
        write_bytes(f"{parent}/result.bin", b"x")


def test_digests_agree_with_each_other(tmp_path):
    """The digest of a file is that of its bytes, whatever its size."""
    data = os.urandom((1 << 20) + 17)
    write_bytes(tmp_path / "file", data)
    assert sha256_file(tmp_path / "file") == sha256_bytes(data)
    assert sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_json_digest_ignores_the_order_of_keys(value):
    """The digest is one of content: it survives writing, reading and any order of keys."""
    again = json.loads(json.dumps(dict(reversed(value.items()))))
    assert sha256_json(again) == sha256_json(value)


@given(VALUES)
def test_records_come_back_as_written(tmp_path_factory, value):
    """What is written as a record is what is read, and writing it again gives the same bytes."""
    path = tmp_path_factory.mktemp("records") / "record.json"
    record = {"kind": "test", "value": value}
    write_json(path, record)
    first = path.read_bytes()
    assert read_record(path, "test") == record
    write_json(path, read_record(path, "test"))
    assert path.read_bytes() == first


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_records_without_numbers_are_refused(tmp_path, value):
    """NaN and infinity are neither written nor digested, and an old file stays."""
    path = tmp_path / "record.json"
    write_json(path, {"kind": "test"})
    with pytest.raises(ValueError):
        write_json(path, {"kind": "test", "value": value})
    with pytest.raises(ValueError):
        sha256_json(value)
    assert read_record(path, "test") == {"kind": "test"}
    assert names(tmp_path) == ["record.json"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"kind": "other"}', id="other kind"),
        pytest.param('{"value": 1}', id="no kind"),
        pytest.param('["test"]', id="not a mapping"),
        pytest.param('{"kind": "test", "value": [1, 2', id="truncated"),
        pytest.param("", id="empty"),
        pytest.param('{"kind": "test", "value": NaN}', id="NaN"),
        pytest.param('{"kind": "test", "value": -Infinity}', id="infinity"),
        pytest.param(b'{"kind": "test\xff"}', id="not UTF-8"),
    ],
)
def test_wrong_records_are_user_errors_with_the_way_to_rebuild(tmp_path, text):
    """Whatever is not a record of the kind asked for is refused with the command that makes it again."""
    path = tmp_path / "record.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=r"rm -f .*record\.json && snakemake .*record\.json --cores 1"):
        read_record(path, "test")


def test_missing_record_is_a_user_error(tmp_path):
    """So is one that is not there."""
    with pytest.raises(UserError, match="no such file"):
        read_record(tmp_path / "record.json", "test")


def test_check_file_accepts_only_the_bytes_of_the_record(tmp_path):
    """The heavy file must be there, with the digest that its record names."""
    path, record = tmp_path / "heavy", tmp_path / "record.json"
    write_bytes(path, b"abc")
    check_file(path, sha256_bytes(b"abc"), record)
    with pytest.raises(UserError, match=r"rm -f .*record\.json"):
        check_file(path, sha256_bytes(b"abd"), record)
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        check_file(path, sha256_bytes(b"abc"), record)


def test_a_table_has_the_bytes_of_its_columns_alone(tmp_path):
    """Neither its own name nor the frame's index is in them, and nothing else is left in the folder."""
    frame = pd.DataFrame({"name": ["a", "b"], "value": [0.5, None]}, index=[7, 3])
    write_table(tmp_path / "one.parquet", frame)
    write_table(tmp_path / "two.parquet", frame.reset_index(drop=True))
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes() == buffer.getvalue()
    assert pd.read_parquet(tmp_path / "one.parquet").equals(frame.reset_index(drop=True))
    assert names(tmp_path) == ["one.parquet", "two.parquet"]


@pytest.mark.parametrize("with_old", [False, True])
def test_publish_folder_replaces_the_whole_folder(tmp_path, with_old):
    """The new folder takes the final name, and nothing of the old one remains."""
    work, final = tmp_path / "work", tmp_path / "final"
    work.mkdir()
    (work / "new").write_text("new")
    if with_old:
        (final / "sub").mkdir(parents=True)
        (final / "sub" / "old").write_text("old")
    publish_folder(work, final)
    assert names(tmp_path) == ["final"]
    assert names(final) == ["new"]


def test_publish_folder_keeps_the_old_folder_when_it_fails(tmp_path):
    """Where the new folder cannot take the name, the old one keeps it."""
    final = tmp_path / "final"
    final.mkdir()
    (final / "old").write_text("old")
    with pytest.raises(UserError):
        publish_folder(tmp_path / "not there", final)
    assert names(tmp_path) == ["final"]
    assert (final / "old").read_text() == "old"


def test_user_error_is_one_line():
    """The message names place, expectation, finding and next step, without line breaks."""
    error = UserError("file.nc", "a\nb", "c", "run\n\nthis")
    assert error.one_line() == "file.nc: expected a b, found c. Next: run this"
