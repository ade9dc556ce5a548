"""Hostile input, made up at random: what is wrong gets a clear refusal, and whoever stands beside it notices nothing."""
