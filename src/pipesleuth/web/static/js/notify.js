// P1 tickets for a person who looks elsewhere: the title's count and, if wanted, a notification.

import { cut } from "./times.js";

const WISH = "pipesleuth.notify";

export const wanted = () => localStorage.getItem(WISH) === "yes" && globalThis.Notification?.permission === "granted";

export async function toggleNotices() {
	if (wanted()) {
		localStorage.removeItem(WISH);
		return "Desktop notifications are off";
	}
	if ((await globalThis.Notification?.requestPermission()) !== "granted") return "The browser does not allow notifications here";
	localStorage.setItem(WISH, "yes");
	return "You will be told of new P1 tickets";
}

export function tell(card, open) {
	if (!document.hidden || !wanted()) return;
	const notice = new Notification(`P1: ${cut(card.pipeline, 80)}`, { body: cut(card.rca_result, 200), tag: card.id });
	notice.onclick = () => {
		focus();
		open(card.id);
	};
}

export function title(number, place) {
	const text = `${number > 0 ? `(${number}) ` : ""}${place} · Pipesleuth`;
	if (document.title !== text) document.title = text;
}
