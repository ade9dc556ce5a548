"""The bus: the journal, lanes, deliveries, acks, retries and dead letters.

Kept free of imports: the journal's writer process loads this package and has to start within milliseconds.
"""
