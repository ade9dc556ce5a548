"""The bus: lanes, deliveries, acks, retries, dead letters, observers."""
