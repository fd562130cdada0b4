"""Stand-ins for the vendors, with a memory, for the demo and the tests."""

from pipesleuth.sandbox.app import create_app
from pipesleuth.sandbox.server import BackgroundSandbox, Sandbox, run_in_background

__all__ = ["BackgroundSandbox", "Sandbox", "create_app", "run_in_background"]
