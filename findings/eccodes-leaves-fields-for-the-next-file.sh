#!/usr/bin/env bash
# eccodes 2.50.0 (Python, with the library of eccodeslib), PyPI: GRIB2 messages of several fields, read at random, give another
# file's field or another field's values without a word.
# Support for such messages is on from the start. Each of their fields has the `offset` of the whole message, so who seeks there
# to read a field later gets the first one. And fields that were not read are not forgotten when the file is closed: the next file
# that is opened gives one of them as its own first field. Seen on 2026-11-28, two files, one of 500, 850 and 925 hPa:
#   offsets of its fields: 0, 0, 0        after reading its first field alone, the first field of the other file (50 hPa): 850 hPa
#   after codes_grib_multi_support_reset_file(opened file): 50 hPa
# Ends with 1 if any of that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet eccodes==2.50.0 numpy==2.4.6

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import eccodes


def field(level):
    handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
    eccodes.codes_set(handle, "level", level)
    return handle


def read(path, reset, most):
    found = []
    with open(path, "rb") as file:
        if reset:
            eccodes.codes_grib_multi_support_reset_file(file)
        while len(found) < most and (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            found.append(tuple(eccodes.codes_get(handle, key, int) for key in ("level", "offset")))
            eccodes.codes_release(handle)
    return found


several = eccodes.codes_grib_multi_new()
for level in (500, 850, 925):
    eccodes.codes_grib_multi_append(field(level), 4, several)
with open("several.grib2", "wb") as file:
    eccodes.codes_grib_multi_write(several, file)
with open("one.grib2", "wb") as file:
    eccodes.codes_write(field(50), file)

print("eccodes", eccodes.__version__, "with", eccodes.codes_get_api_version())
fields = read("several.grib2", False, 9)
print("level and offset of each field:", fields)
read("several.grib2", False, 1)
left = read("one.grib2", False, 1)[0][0]
print("the other file's first level:", left)
read("several.grib2", False, 1)
reset = read("one.grib2", True, 1)[0][0]
print("the same after a reset:", reset)
sys.exit(not (fields == [(500, 0), (850, 0), (925, 0)] and left == 850 and reset == 50))
PYTHON
