"""What is known about failures: entries written in YAML, one folder of ours and one of the team's."""

from pipesleuth.triage.knowledge.entry import Advice, Entry, Example, Weight
from pipesleuth.triage.knowledge.reading import KnowledgeFault, check_folder, read_folder
from pipesleuth.triage.knowledge.shelf import Hit, Shelf

__all__ = ["Advice", "Entry", "Example", "Hit", "KnowledgeFault", "Shelf", "Weight", "check_folder", "read_folder"]
