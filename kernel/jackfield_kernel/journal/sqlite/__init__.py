"""The log driver on SQLite: `driver.SqliteLog` in the kernel, `writer` in a process of its own.

Kept free of imports: see `jackfield_kernel.journal`.
"""
