"""One module a verb: `add_arguments` says what it is called with, `run` calls the library with that and the configuration.

What a verb does is its module's docstring, whose first line `--help` prints.
"""
