"""What `tanbi verify` does: every invariant of the design, recomputed from what is recorded.

Nothing here shares a statement with what writes: a mistake made twice would not be seen."""
