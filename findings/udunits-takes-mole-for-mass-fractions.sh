#!/usr/bin/env bash
# cf-units 3.3.1 (with UDUNITS inside), PyPI: a mole fraction is "convertible" to a mass mixing ratio, factor 1, without a word.
# mol mol-1, ppbv and kg kg-1 are all pure numbers to UDUNITS, so a reader that trusts is_convertible() takes a volume mixing ratio
# of ozone for a mass mixing ratio, 1.66 times too small; and the units that ECMWF's files give for geopotential height, gpm, are
# unknown to it. Seen on 2026-11-28:
#   mol mol-1 -> kg kg-1: convertible, 1.0        1e-9 -> kg kg-1: convertible
#   gpm: not a unit                               kg m**-3, m**2 s**-2, degC, ug m-3: known
# Ends with 1 if any of that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cf-units==3.3.1

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import cf_units

print("cf-units", cf_units.__version__)
mole, mass = cf_units.Unit("mol mol-1"), cf_units.Unit("kg kg-1")
is_same = mole.is_convertible(mass) and mole.convert(1.0, mass) == 1.0
print("mol mol-1 -> kg kg-1:", mole.convert(1.0, mass) if mole.is_convertible(mass) else "not convertible")
with cf_units.suppress_errors():
    try:
        is_unknown = cf_units.Unit("gpm").is_unknown()
    except ValueError as error:
        is_unknown = True
        print("gpm:", str(error).splitlines()[0])
are_known = all(cf_units.Unit(text).is_convertible(text) for text in ("kg m**-3", "m**2 s**-2", "degC", "ug m-3"))
sys.exit(not (is_same and is_unknown and are_known))
PYTHON
