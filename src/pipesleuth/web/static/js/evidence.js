// A raw error cut into plain and marked pieces, so that quoted evidence is seen where it stands.

// The text as `[{text, marked}]`, complete and in order; at most 50 spans, overlapping ones joined.
export function pieces(text, spans) {
	const whole = String(text ?? "");
	const ranges = [];
	for (const span of (spans ?? []).slice(0, 50)) {
		const wanted = typeof span === "string" ? span.trim() : "";
		const start = wanted ? whole.indexOf(wanted) : -1;
		if (start >= 0) ranges.push([start, start + wanted.length]);
	}
	ranges.sort((a, b) => a[0] - b[0]);
	const found = [];
	let at = 0;
	for (const [start, end] of ranges) {
		if (end <= at) continue;
		const from = Math.max(start, at);
		if (from > at) found.push({ text: whole.slice(at, from), marked: false });
		found.push({ text: whole.slice(from, end), marked: true });
		at = end;
	}
	if (at < whole.length) found.push({ text: whole.slice(at), marked: false });
	return found;
}
