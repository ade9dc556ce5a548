"""Routing: evaluates the tables that the router policy pushed. No policy lives here."""
