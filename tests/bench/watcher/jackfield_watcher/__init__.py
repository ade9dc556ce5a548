"""An observer that counts."""
