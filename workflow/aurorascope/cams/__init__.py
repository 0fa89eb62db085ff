"""CAMS analyses: what is asked for, how a day is fetched, checked and kept, and the demo's idealised atmosphere."""
