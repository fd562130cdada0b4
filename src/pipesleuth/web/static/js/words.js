// The words people read for the words the API speaks.

export const SEVERITIES = ["Critical", "High", "Medium", "Low"];
export const PRIORITIES = ["P1", "P2", "P3", "P4"];
export const SOURCES = { data_factory: "Data Factory", databricks: "Databricks" };

const SPECIAL = { dns: "DNS", certificate_tls: "Certificate or TLS", in_progress: "In Progress", acknowledged: "Closed" };

export function plain(word) {
	if (!word) return "";
	const text = String(word).replaceAll("_", " ");
	return SPECIAL[word] ?? text[0].toUpperCase() + text.slice(1);
}

export const kindName = (kind) => kind === "analyse" ? "Analysis" : plain(kind);

export const stateName = (state) => state === "pending" ? "on its way" : state;

export const sourceName = (source) => SOURCES[source] ?? plain(source);

const TONES = Object.entries({
	bad: /breach|fail|stopped|refused|deleted|denied/i,
	jira: /^jira/i,
	done: /closed|met/i,
	made: /created|reopen/i,
	told: /slack|blob|saved|sent/i,
});

// Which colour an audit line's action has.
export const actionTone = (action) => TONES.find(([, words]) => words.test(action ?? ""))?.[0] ?? "quiet";

export const times = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export const count = (number) => Number.isFinite(number) ? number.toLocaleString("en") : "—";
