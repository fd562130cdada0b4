// The Teams channels: adaptive cards as a webhook posted them, oldest first.
import { el, getJson, link, timeOf } from "./dom.js";

const at = (id) => document.getElementById(id);
const COLORS = { good: "good", attention: "attention", warning: "warning", accent: "accent" };

function run(part) {
  if (typeof part === "string") return part;
  const style = [part.weight?.toLowerCase() === "bolder" && "bold", part.isSubtle && "subtle", COLORS[part.color?.toLowerCase()]];
  return el("span", { class: style.filter(Boolean).join(" ") }, part.text || "");
}

function element(part) {
  switch (part.type) {
    case "TextBlock":
      return el("p", {}, part.text || "");
    case "RichTextBlock":
      return el("p", {}, (part.inlines || []).map(run));
    case "Container":
    case "Column":
      return el("div", {}, (part.items || []).map(element));
    case "ColumnSet":
      return el("div", { class: "columns" }, (part.columns || []).map(element));
    default:
      return el("p", {}, `[${part.type}]`);
  }
}

function post(entry) {
  return el("li", { class: "message" },
    el("div", { class: "avatar", "aria-hidden": true }, "PS"),
    el("div", { class: "body" },
      el("div", { class: "who" }, el("b", {}, "Workflows"), el("span", { class: "app" }, `# ${entry.channel}`), el("time", {}, timeOf(entry.at))),
      el("div", { class: "teams-card" }, (entry.card.body || []).map(element),
        el("div", { class: "slack-actions" }, (entry.card.actions || []).map((action) => {
          const node = link(action.url || "", action.title || "");
          node.className = "slack-button";
          return node;
        })))));
}

export async function refresh() {
  const data = await getJson("/_teams/posts?limit=200");
  at("teams-count").textContent = `${data.posts.length} cards${data.refused.length ? `, ${data.refused.length} not shown: ${data.refused.at(-1)}` : ""}`;
  at("posts").replaceChildren(...(data.posts.length ? data.posts.map(post) : [el("li", { class: "empty" }, "No card yet.")]));
}
