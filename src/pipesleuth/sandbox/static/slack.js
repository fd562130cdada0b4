// The Slack channel: rooms, messages, threads.
import { el, getJson, link, timeOf } from "./dom.js";
import { mrkdwn, textObject, emojiText } from "./mrkdwn.js";

const state = { channel: "", thread: "", data: { channels: [], messages: [] } };
const at = (id) => document.getElementById(id);

function button(element, say) {
  const label = textObject(element.text);
  const style = `slack-button ${element.style || ""}`;
  if (element.url && /^https?:/i.test(element.url)) {
    const node = link(element.url, label);
    node.className = style;
    return node;
  }
  return el("button", { class: style, onclick: () => say(`Slack would send “${element.action_id || "action"}”`) }, label);
}

function block(entry, say) {
  switch (entry.type) {
    case "header":
      return el("h3", { class: "slack-header" }, emojiText(entry.text?.text || ""));
    case "divider":
      return el("hr");
    case "section":
      return el("div", { class: "slack-section" },
        el("div", { class: "grow" },
          entry.text && textObject(entry.text),
          entry.fields && el("div", { class: "fields" }, entry.fields.map((field) => el("div", {}, textObject(field))))),
        entry.accessory?.type === "button" && button(entry.accessory, say));
    case "context":
      return el("div", { class: "slack-context" }, (entry.elements || []).map((part) =>
        part.type === "image" ? el("span", { class: "picture" }, part.alt_text || "") : textObject(part)));
    case "actions":
      return el("div", { class: "slack-actions" }, (entry.elements || []).map((part) => button(part, say)));
    case "markdown":
      return mrkdwn(entry.text || "");
    case "image":
      return el("figure", {}, el("span", { class: "picture" }, entry.alt_text || "image"));
    default:
      return el("div", { class: "slack-context" }, `[${entry.type}]`);
  }
}

function attachment(entry, say) {
  const color = /^#?[0-9a-f]{6}$/i.test(entry.color || "") ? `#${entry.color.replace("#", "")}`
    : { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" }[entry.color];
  return el("div", { class: "attachment", color },
    entry.pretext && mrkdwn(entry.pretext),
    entry.title && el("strong", {}, entry.title),
    entry.text && mrkdwn(entry.text),
    (entry.blocks || []).map((part) => block(part, say)));
}

function message(entry, say, inThread) {
  const replies = state.data.messages.filter((other) => other.is_reply && other.thread_ts === entry.ts && other.channel === entry.channel);
  const blocks = entry.blocks || [];
  return el("li", { class: "message", dataset: { ts: entry.ts } },
    el("div", { class: "avatar", "aria-hidden": true }, "PS"),
    el("div", { class: "body" },
      el("div", { class: "who" }, el("b", {}, "Pipesleuth"), el("span", { class: "app" }, "APP"),
        el("time", {}, timeOf(Number(entry.ts))),
        entry.edits > 0 && el("span", { class: "edited" }, `(edited${entry.edits > 1 ? ` ${entry.edits}×` : ""})`)),
      blocks.length ? blocks.map((part) => block(part, say)) : mrkdwn(entry.text || ""),
      (entry.attachments || []).map((part) => attachment(part, say)),
      replies.length > 0 && !inThread && el("button", { class: "replies", onclick: () => openThread(entry.ts, say) },
        el("span", { class: "avatar small", "aria-hidden": true }, "PS"),
        `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`,
        el("small", {}, `last at ${timeOf(Number(replies.at(-1).ts))}`))));
}

function openThread(ts, say) {
  state.thread = ts;
  draw(say);
}

function rooms(say) {
  at("channels").replaceChildren(...state.data.channels.map((channel) => {
    const count = state.data.messages.filter((entry) => entry.channel === channel.id && !entry.is_reply).length;
    return el("li", {}, el("button", {
      class: channel.id === state.channel ? "here" : "",
      onclick: () => { state.channel = channel.id; state.thread = ""; draw(say); },
    }, `${channel.is_private ? "🔒" : "#"} ${channel.name}`,
    channel.is_archived ? el("small", {}, "archived") : !channel.is_member ? el("small", {}, "not joined") : count > 0 && el("small", {}, count)));
  }));
}

function fill(list, nodes) {
  const low = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.replaceChildren(...nodes);
  if (low) list.scrollTop = list.scrollHeight;
}

export function draw(say) {
  const { channels, messages } = state.data;
  if (!channels.some((channel) => channel.id === state.channel)) state.channel = channels[0]?.id || "";
  rooms(say);
  const here = messages.filter((entry) => entry.channel === state.channel);
  const roots = here.filter((entry) => !entry.is_reply);
  at("room-name").textContent = `# ${channels.find((channel) => channel.id === state.channel)?.name || ""}`;
  at("room-count").textContent = `${roots.length} messages`;
  fill(at("messages"), roots.length ? roots.slice(-300).map((entry) => message(entry, say, false))
    : [el("li", { class: "empty" }, "Nothing here yet. A failed pipeline will change that.")]);
  const root = here.find((entry) => entry.ts === state.thread);
  at("thread").hidden = !root;
  at("slack").classList.toggle("threaded", Boolean(root));
  if (root) {
    const thread = [root, ...here.filter((entry) => entry.is_reply && entry.thread_ts === root.ts)];
    fill(at("thread-messages"), thread.map((entry) => message(entry, say, true)));
  }
}

export function start(say) {
  at("thread-close").addEventListener("click", () => { state.thread = ""; draw(say); });
}

export async function refresh(say) {
  state.data = await getJson("/_slack/messages?limit=500");
  draw(say);
}
