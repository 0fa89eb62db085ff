"""Pages from templates; whatever is put into one is text, never markup."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from aurorascope.files import write_text

STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        text: HTML.
    """

    text: str

    def write(self, path: Path) -> int:
        """Write the page; returns its bytes."""
        write_text(path, self.text)
        return len(self.text.encode())


@cache
def _templates() -> Environment:
    loader = PackageLoader("aurorascope.pages", "static")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render(template: str, **context: Any) -> Page:
    """A template of `static/` with its gaps filled.

    Raises:
        jinja2.UndefinedError: a gap has no value.
    """
    return Page(_templates().get_template(template).render(**context) + "\n")
