"""The heart: how failures become tickets and how tickets live."""
