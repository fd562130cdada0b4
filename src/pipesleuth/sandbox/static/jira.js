// The Jira board: columns, cards that move by click or drag, and one card in detail.
import { el, getJson, send } from "./dom.js";
import { documentNode } from "./documents.js";

const state = { dragging: false, project: "", data: { columns: [], issues: [], projects: [] }, open: "", hooks: { deliveries: [] } };
const at = (id) => document.getElementById(id);

async function move(key, column, say) {
  const issue = state.data.issues.find((entry) => entry.key === key);
  if (!issue || issue.fields.status.id === column.id) return;
  issue.fields.status = column;
  draw(say);
  try {
    await send("POST", `/_jira/issues/${encodeURIComponent(key)}/status`, { status: column.id });
    say(`${key} → ${column.name}`);
  } catch (error) {
    say(error.message);
  }
  await refresh(say);
}

function card(issue, say) {
  const place = state.data.columns.findIndex((column) => column.id === issue.fields.status.id);
  const step = (by, sign, word) => {
    const target = state.data.columns[place + by];
    return el("button", {
      class: "step", disabled: !target, title: target ? `${word} to ${target.name}` : "",
      "aria-label": target ? `Move ${issue.key} to ${target.name}` : word,
      onclick: (event) => { event.stopPropagation(); move(issue.key, target, say); },
    }, sign);
  };
  return el("article", {
    class: "card", draggable: "true", tabindex: "0", dataset: { key: issue.key },
    ondragend: () => { state.dragging = false; draw(say); },
    ondragstart: (event) => { state.dragging = true; event.dataTransfer.setData("text/plain", issue.key); event.dataTransfer.effectAllowed = "move"; },
    onclick: () => open(issue.key, say),
    onkeydown: (event) => { if (event.key === "Enter" && event.target === event.currentTarget) open(issue.key, say); },
  },
  el("p", {}, issue.fields.summary),
  el("div", { class: "labels" }, (issue.fields.labels || []).map((label) => el("span", {}, label))),
  el("footer", {},
    el("span", { class: `kind ${String(issue.fields.issuetype?.name || "").toLowerCase()}`, title: issue.fields.issuetype?.name }, "●"),
    el("b", { class: issue.fields.status.statusCategory.key === "done" ? "done" : "" }, issue.key),
    el("span", { class: "priority" }, issue.fields.priority?.name || ""),
    issue.comments.length > 0 && el("span", { title: "comments" }, `💬 ${issue.comments.length}`),
    el("span", { class: "steps" }, step(-1, "‹", "Back"), step(1, "›", "On"))));
}

function column(entry, issues, say) {
  return el("section", {
    class: "column", "aria-label": entry.name, dataset: { column: entry.id },
    ondragover: (event) => { event.preventDefault(); event.currentTarget.classList.add("over"); },
    ondragleave: (event) => event.currentTarget.classList.remove("over"),
    ondrop: (event) => { event.preventDefault(); state.dragging = false; event.currentTarget.classList.remove("over"); move(event.dataTransfer.getData("text/plain"), entry, say); },
  },
  el("h3", { class: entry.statusCategory.key }, entry.name, el("small", {}, issues.length)),
  el("div", { class: "cards" }, issues.slice(0, 200).map((issue) => card(issue, say)),
    issues.length === 0 && el("p", { class: "empty" }, "No issues")));
}

// What had the focus, so that a redraw does not take it away from the keyboard.
function focused() {
  const active = document.activeElement;
  const key = active?.closest?.(".card")?.dataset.key;
  const place = key ? [...active.closest(".card").querySelectorAll(".step")].indexOf(active) : -1;
  return { key, place };
}

function refocus({ key, place }) {
  if (!key) return;
  const node = document.querySelector(`.card[data-key="${CSS.escape(key)}"]`);
  const step = place < 0 ? null : node?.querySelectorAll(".step")[place];
  (step && !step.disabled ? step : node)?.focus({ preventScroll: true });
}

export function draw(say) {
  if (state.dragging) return;
  const { columns, issues, projects } = state.data;
  if (!projects.some((project) => project.key === state.project)) {
    state.project = issues.at(-1)?.fields.project.key || projects[0]?.key || "";
  }
  at("project").replaceChildren(...projects.map((project) =>
    el("option", { value: project.key, selected: project.key === state.project }, `${project.name} (${project.key})`)));
  const here = issues.filter((issue) => issue.fields.project.key === state.project).reverse();
  const focus = focused();
  const scrolled = [...document.querySelectorAll(".cards")].map((cards) => cards.scrollTop);
  at("board").replaceChildren(...columns.map((entry) =>
    column(entry, here.filter((issue) => issue.fields.status.id === entry.id), say)));
  document.querySelectorAll(".cards").forEach((cards, number) => { cards.scrollTop = scrolled[number] || 0; });
  refocus(focus);
  const last = state.hooks.deliveries.at(-1);
  at("hook").textContent = !state.hooks.url ? "no webhook set"
    : `webhook ${state.hooks.signed ? "signed" : "unsigned"} → ${state.hooks.url}${last ? ` · last: ${last.statuses.join(", ") || "on its way"}` : ""}`;
  if (state.open && at("card").open) detail(say);
}

function detail(say) {
  const issue = state.data.issues.find((entry) => entry.key === state.open);
  if (!issue) { at("card").close(); return; }
  const before = at("card").querySelector("textarea");
  const draft = before?.value || "";
  const caret = before && document.activeElement === before ? before.selectionStart : -1;
  const fields = issue.fields;
  const text = el("textarea", { rows: 2, placeholder: "Write a comment", "aria-label": "Comment" }, draft);
  const facts = { Type: fields.issuetype?.name, Priority: fields.priority?.name, Reporter: fields.reporter?.displayName, Resolution: fields.resolution?.name || "Unresolved", Created: fields.created?.slice(0, 19).replace("T", " "), Updated: fields.updated?.slice(0, 19).replace("T", " ") };
  at("card").replaceChildren(el("div", { class: "sheet" },
    el("header", {}, el("span", { class: "key" }, issue.key), el("h2", { id: "card-title" }, fields.summary),
      el("button", { class: "quiet", "aria-label": "Close", onclick: () => at("card").close() }, "✕")),
    el("div", { class: "two" },
      el("div", { class: "document" }, fields.description ? documentNode(fields.description) : el("p", { class: "empty" }, "No description"),
        el("h3", {}, `Comments (${issue.comments.length})`),
        issue.comments.map((comment) => el("div", { class: "comment" },
          el("small", {}, `${comment.author.displayName} · ${comment.created.slice(0, 19).replace("T", " ")}`), documentNode(comment.body))),
        text, el("button", { class: "primary", onclick: async () => {
          if (!text.value.trim()) return;
          const said = text.value;
          text.value = "";
          try { await send("POST", `/_jira/issues/${encodeURIComponent(issue.key)}/comment`, { text: said }); } catch (error) { say(error.message); }
          await refresh(say);
        } }, "Comment")),
      el("aside", {},
        el("div", { class: "moves" }, state.data.columns.map((entry) => el("button", {
          class: `${entry.statusCategory.key} ${entry.id === fields.status.id ? "here" : ""}`,
          onclick: () => move(issue.key, entry, say) }, entry.name))),
        el("dl", {}, Object.entries(facts).filter(([, value]) => value).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
        el("div", { class: "labels" }, (fields.labels || []).map((label) => el("span", {}, label))),
        Object.keys(issue.properties).length > 0 && el("details", {}, el("summary", {}, "Properties"), el("pre", {}, JSON.stringify(issue.properties, null, 2))),
        el("button", { class: "danger", onclick: async () => {
          try { await send("DELETE", `/_jira/issues/${encodeURIComponent(issue.key)}`); say(`${issue.key} deleted`); } catch (error) { say(error.message); }
          at("card").close();
          await refresh(say);
        } }, "Delete issue")))));
  if (caret >= 0) {
    text.focus();
    text.setSelectionRange(caret, caret);
  }
}

export function open(key, say) {
  state.open = key;
  const issue = state.data.issues.find((entry) => entry.key === key);
  if (!issue) return;
  state.project = issue.fields.project.key;
  detail(say);
  if (!at("card").open) at("card").showModal();
}

export function start(say) {
  at("project").addEventListener("change", (event) => { state.project = event.target.value; draw(say); });
  at("card").addEventListener("close", () => { state.open = ""; if (location.hash.startsWith("#jira/")) history.replaceState(null, "", "#jira"); });
  at("card").addEventListener("click", (event) => { if (event.target === at("card")) at("card").close(); });
}

export async function refresh(say) {
  [state.data, state.hooks] = await Promise.all([getJson("/_jira/issues?limit=400"), getJson("/_jira/webhooks")]);
  draw(say);
}
