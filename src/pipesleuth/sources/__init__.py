"""The inbound shelf: one file for each platform."""
