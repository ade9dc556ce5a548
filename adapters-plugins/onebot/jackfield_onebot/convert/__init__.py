"""Between OneBot's JSON and the contract's plain values; pure functions, no I/O."""
