"""Figures, each as PNG with its numbers as CSV beside it."""
