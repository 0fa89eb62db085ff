"""Is the data store reachable with this address, key and licence? Asked without asking for any data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aurorascope.cams.ads.access import find_access
from aurorascope.cams.ads.fatal import clear_fatal
from aurorascope.cams.ads.faults import LICENCES
from aurorascope.cams.ads.session import Session, StepError
from aurorascope.cams.request import DATASET
from aurorascope.config.model import Ads
from aurorascope.errors import FatalError

_WHERE = "the access to the Atmosphere Data Store"


def check_access(folder: Path, patience: Ads, request: dict[str, Any]) -> Iterator[str]:
    """Check step by step; each sentence says what was found.

    Args:
        folder: the folder of the days, whose `FATAL.json` is removed when all is well.
        patience: tries and times.
        request: one day's request, whose cost the store is asked for; it is not submitted.

    Yields:
        One sentence a finding.

    Raises:
        FatalError: the first thing that is wrong, with what to do about it.
        TryAgainError: the store does not answer.
    """
    access = find_access()
    yield f"Address {access.url} and a key were found ({access.rc} or the variables CDSAPI_URL and CDSAPI_KEY)."
    yield from (f"Warning: {warning}" for warning in access.warnings)
    session = Session(access, patience, _WHERE)
    _ask(lambda: session.call("submit", session.client.check_authentication))
    yield "The store knows the key."
    _ask(lambda: session.call("submit", lambda: session.client.get_process(DATASET)))
    yield f"It has {DATASET}."
    yield _licences(session)
    yield _cost(session, request)
    if clear_fatal(folder):
        yield f"Removed {folder}/FATAL.json: downloads go on with the next run."


def _ask(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except StepError as error:
        raise error.fault.error from error


def _licences(session: Session) -> str:
    """What is known of the licence, which the store checks for sure only when a day is asked for."""
    collection = _ask(lambda: session.call("look", lambda: session.client.get_collection(DATASET))).json
    links = [link for link in collection.get("links", []) if link.get("rel") == "license"]
    accepted = _ask(lambda: session.call("look", lambda: session.client.get_accepted_licences()))
    names = [str(licence.get("id")) for licence in accepted]
    needed = [link for link in links if not any(_names(link, name) for name in names)]
    if links and needed and not names:
        titles = ", ".join(str(link.get("title", link.get("href"))) for link in needed)
        raise FatalError(
            _WHERE, f"an accepted licence: {titles}", "none accepted",
            f"log in and accept it at {LICENCES}, then run: snakemake -c1 check_access",
        )
    if links and not needed:
        return f"Its licence is accepted ({', '.join(names)})."
    listed = ", ".join(names) or "none"
    return f"Accepted licences: {listed}. Should a download answer 403, accept the dataset's own at {LICENCES}."


def _names(link: dict[str, Any], licence: str) -> bool:
    return licence.lower() in f"{link.get('title', '')} {link.get('href', '')}".lower()


def _cost(session: Session, request: dict[str, Any]) -> str:
    try:
        cost = session.call("look", lambda: session.client.estimate_costs(DATASET, request), tries=1)
    except StepError as error:
        return f"The cost of a day could not be asked for ({error.fault.error.found})."
    price, limit = cost.get("cost"), cost.get("limit")
    if price is not None and limit is not None and price > limit:
        raise FatalError(
            _WHERE, f"a day within the store's limit of {limit:g} items", f"{price:g}", "ask for fewer cams.levels"
        )
    return f"A day costs {price} of at most {limit} items."
