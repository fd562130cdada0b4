"""Stand-ins for the vendors, with a memory, for the demo and the tests."""
