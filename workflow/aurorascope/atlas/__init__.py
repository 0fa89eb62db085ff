"""Scores of features against labels, with nulls that shift the labels in longitude and in time."""
