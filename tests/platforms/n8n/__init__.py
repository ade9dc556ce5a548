"""A server that answers as n8n's webhooks do."""
