// What a person takes away: files, tables as CSV, texts on the clipboard.

export function save(blob, name) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(blob);
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function cell(value) {
	const text = value === null || value === undefined ? "" : String(value);
	const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
	return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csv = (header, rows) => [header, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";

export const copy = (text, say) => navigator.clipboard.writeText(text).then(() => say("Copied"), () => say("The browser did not allow copying", true));
