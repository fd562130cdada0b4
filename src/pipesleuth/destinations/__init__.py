"""The outbound shelf: one file for each channel."""
