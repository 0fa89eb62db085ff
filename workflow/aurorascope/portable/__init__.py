"""`compute.portable`: the same bits on every x86-64 machine.

Libraries choose their kernels, and with them how they round, by what the CPU can do. `switches` makes them all choose the
oldest; `kernels` replaces the few that round by the CPU's maker even then; `answers` checks that what is left gives the
bits that were recorded, and refuses to go on where it does not.
"""
