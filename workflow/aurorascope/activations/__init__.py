"""Activations of one block and split on disk: their format, how they are dumped, checked and fed to training.

docs/formats.md is the normative description of the format.
"""
