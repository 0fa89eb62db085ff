"""Circuits: which features of some blocks carry an outcome, through which features of later blocks, and what controls say of that."""
