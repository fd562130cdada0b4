"""Slack's limits on messages: how many blocks, how long each text, how much in all.

Source: https://docs.slack.dev/reference/block-kit/blocks and the reference pages below it.
"""

from __future__ import annotations

from pipesleuth.sandbox.wire import Json, is_array, is_object, list_of, object_of, objects_of, text_of

BLOCKS = 50
TOTAL_CHARACTERS = 13_200
"""Slack's own total over all blocks is documented nowhere; about this many were refused in the field."""

KNOWN_BLOCKS = {
    "header", "section", "context", "actions", "divider", "image", "rich_text", "markdown", "video", "table", "file",
}  # fmt: skip


class BlockFaults:
    """Collects what is wrong with a message's blocks, each with its JSON pointer."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, text: str, pointer: str) -> None:
        """Remember one fault."""
        self.found.append(f"{text} [json-pointer:{pointer}]")

    def length(self, value: object, limit: int, pointer: str, *, least: int = 1) -> None:
        """A text must be there and within its limit (characters)."""
        if not isinstance(value, str):
            self.add("must be a string", pointer)
        elif len(value) > limit:
            self.add(f"must be less than {limit + 1} characters", pointer)
        elif len(value) < least:
            self.add(f"must be more than {least - 1} characters", pointer)

    def count(self, value: object, least: int, most: int, pointer: str) -> list[Json]:
        """An array must have between `least` and `most` entries; returns its objects."""
        entries = list_of(value)
        if not is_array(value):
            self.add("must be an array", pointer)
        elif len(entries) < least:
            self.add(f"no fewer than {least} items allowed", pointer)
        elif len(entries) > most:
            self.add(f"no more than {most} items allowed", pointer)
        if len(objects_of(value)) != len(entries):
            self.add("must be objects", pointer)
        return objects_of(value)

    def text_object(self, value: object, kinds: set[str], limit: int, pointer: str) -> None:
        """A text object of one of the allowed kinds."""
        entry = object_of(value)
        if not entry:
            self.add("must be a text object", pointer)
            return
        if entry.get("type") not in kinds:
            self.add(f"must be one of {', '.join(sorted(kinds))}", f"{pointer}/type")
        if unknown := set(entry) - {"type", "text", "emoji", "verbatim"}:
            self.add(f"no more properties allowed: {min(unknown)}", pointer)
        if entry.get("type") == "mrkdwn" and "emoji" in entry:
            self.add("no more properties allowed: emoji", pointer)
        self.length(entry.get("text"), limit, f"{pointer}/text")


MARKDOWN_OR_PLAIN = {"mrkdwn", "plain_text"}


def block_faults(blocks: object) -> list[str]:
    """What Slack would refuse in these blocks; an empty list when it takes them."""
    faults = BlockFaults()
    entries = faults.count(blocks, 0, BLOCKS, "/blocks")
    seen: set[str] = set()
    for place, block in enumerate(entries):
        pointer = f"/blocks/{place}"
        if "block_id" in block:
            faults.length(block["block_id"], 255, f"{pointer}/block_id")
            if str(block["block_id"]) in seen:
                faults.add("block_id already exists", f"{pointer}/block_id")
            seen.add(str(block["block_id"]))
        check_block(faults, block, pointer)
    return faults.found


def check_block(faults: BlockFaults, block: Json, pointer: str) -> None:
    """One block by its type."""
    kind = block.get("type")
    if kind not in KNOWN_BLOCKS:
        faults.add(f"unsupported type: {text_of(kind, 'none')}", f"{pointer}/type")
    elif kind == "header":
        faults.text_object(block.get("text"), {"plain_text"}, 150, f"{pointer}/text")
    elif kind == "section":
        check_section(faults, block, pointer)
    elif kind == "context":
        check_context(faults, block, pointer)
    elif kind == "actions":
        for place, element in enumerate(faults.count(block.get("elements"), 1, 25, f"{pointer}/elements")):
            check_element(faults, element, f"{pointer}/elements/{place}")
    elif kind == "markdown":
        faults.length(block.get("text"), 12_000, f"{pointer}/text")
    elif kind == "image":
        check_image(faults, block, pointer)


def check_context(faults: BlockFaults, block: Json, pointer: str) -> None:
    """Small texts and pictures side by side."""
    for place, element in enumerate(faults.count(block.get("elements"), 1, 10, f"{pointer}/elements")):
        if element.get("type") == "image":
            check_image(faults, element, f"{pointer}/elements/{place}")
        else:
            faults.text_object(element, MARKDOWN_OR_PLAIN, 2000, f"{pointer}/elements/{place}")


def check_section(faults: BlockFaults, block: Json, pointer: str) -> None:
    """A section has a text, or fields, or both."""
    if "text" not in block and "fields" not in block:
        faults.add("missing required field: text or fields", pointer)
    if "text" in block:
        faults.text_object(block["text"], MARKDOWN_OR_PLAIN, 3000, f"{pointer}/text")
    if "fields" in block:
        for place, entry in enumerate(faults.count(block["fields"], 1, 10, f"{pointer}/fields")):
            faults.text_object(entry, MARKDOWN_OR_PLAIN, 2000, f"{pointer}/fields/{place}")
    if "accessory" in block:
        check_element(faults, object_of(block["accessory"]), f"{pointer}/accessory")


def check_image(faults: BlockFaults, image: Json, pointer: str) -> None:
    """An image needs an address and a text for those who cannot see it."""
    faults.length(image.get("image_url"), 3000, f"{pointer}/image_url")
    faults.length(image.get("alt_text"), 2000, f"{pointer}/alt_text")


def check_element(faults: BlockFaults, element: Json, pointer: str) -> None:
    """A button in full; of other elements only that they name their type."""
    if not isinstance(element.get("type"), str):
        faults.add("missing required field: type", pointer)
        return
    if element["type"] == "image":
        check_image(faults, element, pointer)
        return
    if element["type"] != "button":
        return
    faults.text_object(element.get("text"), {"plain_text"}, 75, f"{pointer}/text")
    if "action_id" in element:
        faults.length(element["action_id"], 255, f"{pointer}/action_id")
    if "value" in element:
        faults.length(element["value"], 2000, f"{pointer}/value")
    if "url" in element:
        faults.length(element["url"], 3000, f"{pointer}/url")
        if not text_of(element["url"]).startswith(("http://", "https://", "mailto:", "slack:")):
            faults.add("must be a valid url", f"{pointer}/url")
    if "style" in element and element["style"] not in {"primary", "danger"}:
        faults.add("must be one of primary, danger", f"{pointer}/style")


def total_characters(value: object) -> int:
    """Characters of all texts in the blocks."""
    total = 0
    waiting = [value]
    while waiting:
        entry = waiting.pop()
        if is_array(entry):
            waiting.extend(list_of(entry))
        elif is_object(entry):
            for name, inner in object_of(entry).items():
                if name == "text" and isinstance(inner, str):
                    total += len(inner)
                else:
                    waiting.append(inner)
    return total
