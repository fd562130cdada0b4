// Atlassian documents as nodes.
import { el, link } from "./dom.js";

const MARKS = {
  strong: (node) => el("strong", {}, node),
  em: (node) => el("em", {}, node),
  strike: (node) => el("s", {}, node),
  underline: (node) => el("u", {}, node),
  code: (node) => el("code", {}, node),
  subsup: (node, attrs) => el(attrs.type === "sup" ? "sup" : "sub", {}, node),
  link: (node, attrs) => link(attrs.href || "", node),
};

const BLOCKS = {
  paragraph: "p", bulletList: "ul", listItem: "li", blockquote: "blockquote", tableRow: "tr",
  tableCell: "td", tableHeader: "th", taskList: "ul", decisionList: "ul", decisionItem: "li",
};

export function documentNode(node) {
  if (!node || typeof node !== "object") return el("span");
  const attrs = node.attrs || {};
  const children = () => (node.content || []).map(documentNode);
  switch (node.type) {
    case "text":
      return (node.marks || []).reduce(
        (inner, mark) => (MARKS[mark.type] ? MARKS[mark.type](inner, mark.attrs || {}) : inner),
        document.createTextNode(node.text || ""),
      );
    case "hardBreak": return el("br");
    case "rule": return el("hr");
    case "heading": return el(`h${Math.min(6, Math.max(3, Number(attrs.level) + 1 || 3))}`, {}, children());
    case "orderedList": return el("ol", { start: attrs.order }, children());
    case "codeBlock": return el("pre", {}, el("code", {}, children()));
    case "panel": return el("div", { class: `panel ${attrs.panelType || "info"}` }, children());
    case "expand": case "nestedExpand":
      return el("details", {}, el("summary", {}, attrs.title || "Details"), children());
    case "table": return el("div", { class: "table" }, el("table", {}, el("tbody", {}, children())));
    case "taskItem": return el("li", { class: "task" }, attrs.state === "DONE" ? "☑ " : "☐ ", children());
    case "inlineCard": case "blockCard": return link(attrs.url || "", attrs.url || "");
    case "mention": return el("span", { class: "mention" }, attrs.text || `@${attrs.id}`);
    case "emoji": return document.createTextNode(attrs.text || attrs.shortName || "");
    case "status": return el("span", { class: `lozenge ${attrs.color || ""}` }, attrs.text || "");
    case "date": return document.createTextNode(new Date(Number(attrs.timestamp)).toLocaleDateString());
    default: return el(BLOCKS[node.type] || "div", {}, children());
  }
}
