"""What is measured of finished SAEs: a folder for each measure, whose `record.py` declares it, and `all.py`, which lists them."""
