// A raw error cut into plain and marked pieces, so that quoted evidence is seen where it stands.

// The text as `[{text, marked}]`, complete and in order; at most 50 spans, overlapping ones joined.
export function pieces(text, spans) {
	const whole = String(text ?? "");
	const wanted = (spans ?? []).slice(0, 50).map((span) => (typeof span === "string" ? span.trim() : ""));
	const ranges = wanted.map((span) => [span ? whole.indexOf(span) : -1, span.length]).filter(([start]) => start >= 0);
	const found = [];
	let at = 0;
	const add = (end, marked) => {
		if (end > at) found.push({ text: whole.slice(at, end), marked });
		at = Math.max(at, end);
	};
	for (const [start, length] of ranges.sort((a, b) => a[0] - b[0])) {
		add(start, false);
		add(start + length, true);
	}
	add(whole.length, false);
	return found;
}
