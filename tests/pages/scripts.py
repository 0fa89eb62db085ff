"""Read the scripts that pages load."""

import base64
import json

import numpy as np


def read_script(path):
    """Key and value of one."""
    text = path.read_text(encoding="ascii")
    head, key_and_value = text.split(" || {})[", 1)
    assert head == "(window.AURORASCOPE_ATLAS = window.AURORASCOPE_ATLAS"
    key, value = key_and_value.removesuffix(";\n").split("] = ", 1)
    return json.loads(key), json.loads(value)


def read_block(folder, block):
    """Table, details of all features, and maps by place."""
    table = read_script(folder / "pages" / block / "table.js")[1]
    details = [each for at in range(len(table["details"])) for each in read_script(folder / "pages" / block / f"details_{at}.js")[1]]
    maps = {}
    for at in range(len(table["maps"])):
        maps |= read_script(folder / "pages" / block / f"maps_{at}.js")[1]
    return table, details, {int(place): each for place, each in maps.items()}


def words_of(column):
    return [column["words"][code] for code in column["codes"]]


def unpack(each):
    return np.frombuffer(base64.b64decode(each["values"]), np.uint8)
