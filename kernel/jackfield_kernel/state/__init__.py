"""State that plugins own: key-value namespaces, leases, blobs, route tables."""
