"""From files as people have them to one canonical day: what each field is, for when, on which levels and grid."""
