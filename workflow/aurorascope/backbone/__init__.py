"""Aurora itself: checkpoint, static fields, input batches, and hooks on its 48 blocks."""
