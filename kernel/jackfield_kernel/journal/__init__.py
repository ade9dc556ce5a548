"""The journal: group commit over a log driver; SQLite and memory are the drivers.

Kept free of imports: the writer process loads this package and has to start within milliseconds.
"""
