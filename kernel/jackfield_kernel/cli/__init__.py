"""The command line. One file per group of verbs; all but `run`, `doctor` and `paths` talk to Admin only."""
