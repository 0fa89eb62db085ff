"""`aurorascope VERB …`, or `python -m aurorascope VERB …`: parse, set up the log, run one verb, end with one clear line if it fails.

Verbs are the modules of `aurorascope.cli`; each has `add_arguments(parser)` and `run(args, config)`. Only the verb that
is called is imported; what `--help` says of the others is read from their text. `AURORASCOPE_LOG_LEVEL=DEBUG` makes the
log say more.
"""

import argparse
import ast
import atexit
import contextlib
import gc
import importlib
import logging
import os
import pkgutil
import sys
import time
from pathlib import Path
from typing import NoReturn

import aurorascope.cli
from aurorascope.config import load_config
from aurorascope.errors import UserError
from aurorascope.files import disk_errors
from aurorascope.portable.switches import check_platform, is_asked_for, restart_with_switches, told
from aurorascope.redact import Formatter, redact

_LOG = logging.getLogger("aurorascope")


def verbs() -> list[str]:
    """Names of all verbs."""
    return sorted(module.name for module in pkgutil.iter_modules(aurorascope.cli.__path__))


def _first_line(verb: str) -> str:
    """First line of a verb's docstring, without importing the verb and the libraries that it needs."""
    text = Path(aurorascope.cli.__path__[0], f"{verb}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def _set_up_log(path: str | None) -> None:
    handlers: list[logging.Handler] = []
    if path:
        with disk_errors(path, every=True):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    if not path or sys.stderr.isatty():
        handlers.append(logging.StreamHandler(sys.stderr))
    level = os.environ.get("AURORASCOPE_LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise UserError("the variable AURORASCOPE_LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR", level, "correct it")
    logging.Formatter.converter = time.gmtime
    for handler in handlers:
        handler.setFormatter(Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    logging.basicConfig(level=level, handlers=handlers)
    logging.captureWarnings(True)


def _report(line: str) -> None:
    """Say what failed: on stderr, and in the list that the Snakefile prints once everything has stopped."""
    line = redact(line)
    sys.stderr.write(line + "\n")
    collected = os.environ.get("AURORASCOPE_ERRORS")
    if collected:
        # On a full disk the line still stands on stderr and ends the job's own output.
        with contextlib.suppress(OSError), open(collected, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    parser = argparse.ArgumentParser(prog="aurorascope", description=aurorascope.__doc__)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    words = sys.argv[1:] if argv is None else argv
    try:
        if argv is None and is_asked_for(os.environ.get("AURORASCOPE_CONFIG")):
            # Before a verb loads libraries.
            restart_with_switches()
    except UserError as error:
        _report(f"{' '.join(words[:1])}: {error.one_line()}")
        return error.status
    for name in verbs():
        if words[:1] == [name]:
            module = importlib.import_module(f"aurorascope.cli.{name}")
            command = commands.add_parser(name, description=module.__doc__)
            command.add_argument("--log", help="write the log to this file")
            module.add_arguments(command)
        elif words[:1] in (["-h"], ["--help"]):
            commands.add_parser(name, help=_first_line(name))
        else:
            commands.add_parser(name)
    args = parser.parse_args(words)
    module = importlib.import_module(f"aurorascope.cli.{args.verb}")
    try:
        _set_up_log(args.log)
        config = load_config()
        if config.compute.portable:
            check_platform(config.aurora.device)
            for line in told():
                _LOG.warning(line)
        module.run(args, config)
    except UserError as error:
        _LOG.debug("", exc_info=True)
        line = f"{args.verb}: {error.one_line()}"
        if args.log:
            _LOG.error(line)
        _report(line)
        return error.status
    except KeyboardInterrupt:
        _LOG.info("%s was interrupted.", args.verb)
        return 130
    except Exception as error:
        _LOG.exception("%s failed in a way nobody foresaw.", args.verb)
        _report(f"{args.verb}: {type(error).__name__}: {error} (traceback in {args.log or 'the lines above'})")
        return 1
    return 0


def _end_at_once(status: list[int]) -> None:
    """End without taking a million objects of torch and Aurora apart one by one, once all else that happens at exit has."""
    if status:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status[0])


def run_command() -> NoReturn:
    """Be the program: run the verb of the command line and end with its exit status."""
    # Importing makes objects that stay; looking for garbage among them after every few hundred takes a third of the time.
    gc.set_threshold(20_000, 20, 100)
    ended: list[int] = []
    # Registered first and so called last. A verb that is stopped ends the usual way.
    atexit.register(_end_at_once, ended)
    ended.append(main())
    sys.exit(ended[0])


if __name__ == "__main__":
    run_command()
