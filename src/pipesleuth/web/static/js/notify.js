/** P1 tickets that reach a person who looks elsewhere: the title's count and, if wanted, a desktop notification. */

import { cut } from "./times.js";

const WISH = "pipesleuth.notify";

/** Whether the person wants notifications and the browser allows them. */
export function wanted() {
  return localStorage.getItem(WISH) === "yes" && globalThis.Notification?.permission === "granted";
}

/** Turns notifications on or off; the answer is a sentence. */
export async function toggleNotices() {
  if (wanted()) {
    localStorage.removeItem(WISH);
    return "Desktop notifications are off";
  }
  if (!globalThis.Notification) return "This browser has no desktop notifications";
  if ((await Notification.requestPermission()) !== "granted") return "The browser does not allow notifications here";
  localStorage.setItem(WISH, "yes");
  return "You will be told of new P1 tickets";
}

/** Tells of a new P1 when the page is not in sight. */
export function tell(card, open) {
  if (!document.hidden || !wanted()) return;
  const notice = new Notification(`P1: ${cut(card.pipeline, 80)}`, { body: cut(card.rca_result, 200), tag: card.id });
  notice.onclick = () => {
    focus();
    open(card.id);
  };
}

/** The page's title with the number of open P1 tickets. */
export function title(number, place) {
  const text = `${number > 0 ? `(${number}) ` : ""}${place} · Pipesleuth`;
  if (document.title !== text) document.title = text;
}
