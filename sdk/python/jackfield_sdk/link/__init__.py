"""The connection to the kernel. Private: authors use `Plugin`; `sdk/docs/wire.md` describes what happens
here."""
