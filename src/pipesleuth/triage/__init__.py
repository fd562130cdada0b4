"""From an error text to its root cause."""
