// Starts the page: views, theme, and the pulse that says when there is something new.
import { getJson } from "./dom.js";
import * as slack from "./slack.js";
import * as jira from "./jira.js";
import * as teams from "./teams.js";

const at = (id) => document.getElementById(id);
let seen = {};
let hush = 0;

function say(text) {
  const toast = at("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hush);
  hush = setTimeout(() => { toast.hidden = true; }, 4000);
}

function show(view) {
  at("main").dataset.view = view;
  for (const tab of document.querySelectorAll("[role=tab]")) tab.setAttribute("aria-selected", String(tab.dataset.view === view));
}

function read() {
  const [view, key] = location.hash.slice(1).split("/");
  show(["slack", "jira", "teams"].includes(view) ? view : "both");
  if (view === "jira" && key) jira.open(decodeURIComponent(key), say);
}

async function beat() {
  try {
    const pulse = await getJson("/_pulse");
    const fresh = pulse.epoch !== seen.epoch;
    if (fresh || pulse.slack !== seen.slack) await slack.refresh(say);
    if (fresh || pulse.jira !== seen.jira || pulse.webhooks !== seen.webhooks) await jira.refresh(say);
    if (fresh || pulse.teams !== seen.teams) await teams.refresh();
    if (seen.epoch === undefined) read();
    seen = pulse;
    at("pulse").textContent = "live";
    at("pulse").classList.add("live");
  } catch {
    at("pulse").textContent = "not reachable";
    at("pulse").classList.remove("live");
  }
  setTimeout(beat, document.hidden ? 4000 : 800);
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => { location.hash = tab.dataset.view === "both" ? "" : tab.dataset.view; });
}
at("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("sandboxTheme", root.dataset.theme);
});
const theme = localStorage.getItem("sandboxTheme");
if (theme) document.documentElement.dataset.theme = theme;
window.addEventListener("hashchange", read);
slack.start(say);
jira.start(say);
show("both");
beat();
