"""What a node measures: one file a profile, imported only by nodes of that profile."""
