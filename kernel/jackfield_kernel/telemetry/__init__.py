"""What the kernel tells about itself: logs, metrics, health.

Import the modules one by one: the command line needs safe text in a hurry, and no metrics.
"""
