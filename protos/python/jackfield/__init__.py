"""Contracts of Jackfield. `jackfield.v1` is generated from `protos/jackfield/v1` by `make generate`."""
