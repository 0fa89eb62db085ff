"""Paths that a user writes into the configuration: `~` and variables are expanded, the same way for every key."""

import os
import re

from aurorascope.errors import UserError


def expanded(path: str, key: str, fix: str = "export {variable}=/path, or change {key} in your config") -> str:
    """A path with `~` and `$VARIABLES` expanded.

    Args:
        path: the path.
        key: the config key that it stands under, for messages.
        fix: what messages advise, with places for the variable and the key.

    Raises:
        UserError: a variable in it is not set, or empty.
    """
    for name in re.findall(r"\$(?:\{(\w+)\}|(\w+))", path):
        variable = "".join(name)
        if not os.environ.get(variable):
            raise UserError(
                f"config key {key}", f"a value of the variable in {path}", f"{variable} not set",
                fix.replace("{variable}", variable).replace("{key}", key),
            )
    return os.path.expanduser(os.path.expandvars(path))
