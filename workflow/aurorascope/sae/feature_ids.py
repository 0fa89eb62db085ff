"""How features are named in edits: by number, or, where an SAE tells signs apart, by number and sign as in the atlas. Nothing heavy is imported here."""

import operator
from typing import Any

from aurorascope.errors import UserError

Features = int | tuple[int, int] | list[int | tuple[int, int]]
# A feature's number and its sign; None where the user named none.
Asked = tuple[int, int | None]
FeatureId = tuple[int, int]
_FORM = "a feature's number, (number, sign) with sign 1 or -1, or a list of these"


def read_features(where: str, features: Any) -> tuple[Asked, ...]:
    """The features that an edit names, in its order.

    Raises:
        UserError: something else than features, none, or one of them twice.
    """
    asked = tuple(_read_one(where, each) for each in features) if isinstance(features, list) else (_read_one(where, features),)
    if not asked:
        raise UserError(where, _FORM, "an empty list", "name the features")
    _refuse_twice(where, asked)
    return asked


def _read_one(where: str, given: Any) -> Asked:
    pair = given if isinstance(given, tuple) else (given, None)
    try:
        feature, sign = operator.index(pair[0]), pair[1] if pair[1] is None else operator.index(pair[1])
    except (TypeError, IndexError):
        raise UserError(where, _FORM, repr(given), "correct it") from None
    if len(pair) != 2 or any(isinstance(each, bool) for each in pair) or feature < 0 or sign not in (None, 1, -1):
        raise UserError(where, _FORM, repr(given), "correct it")
    return feature, sign


def _refuse_twice(where: str, features: tuple[Any, ...]) -> None:
    twice = [each for each in features if features.count(each) > 1]
    if twice:
        raise UserError(where, "each feature once", f"{twice[0]} twice", "leave one out")


def resolve_features(where: str, asked: tuple[Asked, ...], d_hidden: int, signed: bool) -> tuple[FeatureId, ...]:
    """Number and sign of each feature of an SAE; one without a sign stands for both where the SAE tells signs apart.

    Raises:
        UserError: the SAE has no such feature, or one is named twice.
    """
    found: list[FeatureId] = []
    for feature, sign in asked:
        if feature >= d_hidden:
            raise UserError(where, f"features 0 to {d_hidden - 1}", str(feature), "take one of these")
        if sign == -1 and not signed:
            raise UserError(where, "no sign, since this SAE's features are never negative", f"({feature}, -1)", f"name {feature}")
        found += [(feature, 1), (feature, -1)] if sign is None and signed else [(feature, sign or 1)]
    _refuse_twice(where, tuple(found))
    return tuple(found)


def refuse_bare_pair(where: str, asked: tuple[Asked, ...], signed: bool) -> None:
    """Refuse two numbers of which the second is a sign as well: of an SAE that tells signs apart, one feature may be meant, or two.

    Raises:
        UserError: it is so.
    """
    if signed and len(asked) == 2 and asked[1][0] == 1 and all(sign is None for _, sign in asked):
        first = asked[0][0]
        raise UserError(
            where, "[number, sign] within a list, since this SAE tells signs apart", f"[{first}, 1]",
            f"write [[{first}, 1]] for the one feature, or [[{first}, 1], [{first}, -1], [1, 1], [1, -1]] for both numbers with both signs",
        )
