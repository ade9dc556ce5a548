"""A server that speaks Dify's service interface."""
