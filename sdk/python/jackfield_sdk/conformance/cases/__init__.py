"""The cases, grouped by topic; each module's `cases(declared)` gives its own."""
