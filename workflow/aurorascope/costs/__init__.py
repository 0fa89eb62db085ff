"""What a run costs, from the configuration and the grid alone: requests, bytes, files, operations and hours.

Pure arithmetic, so that `snakemake -c1 plan` answers before anything is downloaded, and the space check of a dump uses
the same numbers. Tests compare each number with what the code really writes or computes.
"""
