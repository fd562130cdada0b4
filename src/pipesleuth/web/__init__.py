"""HTTP only: reads requests, calls the house, writes answers."""
