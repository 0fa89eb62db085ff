"""Which features of two blocks are the same, and of two suites; and which go on from block to block."""
