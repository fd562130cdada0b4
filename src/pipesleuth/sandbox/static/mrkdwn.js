// Slack's mrkdwn as nodes: bold, italic, strike, code, quotes, lists, links, mentions and emoji.
import { el, link } from "./dom.js";

const EMOJI = {
  rotating_light: "🚨", white_check_mark: "✅", warning: "⚠️", fire: "🔥", red_circle: "🔴", large_orange_circle: "🟠",
  large_yellow_circle: "🟡", large_green_circle: "🟢", large_blue_circle: "🔵", mag: "🔍", bulb: "💡", wrench: "🔧",
  hammer_and_wrench: "🛠️", memo: "📝", link: "🔗", hourglass: "⌛", hourglass_flowing_sand: "⏳", alarm_clock: "⏰",
  ticket: "🎫", robot_face: "🤖", eyes: "👀", heavy_check_mark: "✔️", x: "❌", repeat: "🔁", bell: "🔔", clock3: "🕒",
  information_source: "ℹ️", arrow_right: "➡️", tada: "🎉", no_entry: "⛔", moneybag: "💰", stopwatch: "⏱️",
  bust_in_silhouette: "👤", green_circle: "🟢", brain: "🧠", snail: "🐌", hammer: "🔨", gear: "⚙️", lock: "🔒",
};

const INLINE = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*([^*\n]+)\*(?![\w*])|(?<![\w_])_([^_\n]+)_(?![\w_])|(?<![\w~])~([^~\n]+)~(?![\w~])|:([a-z0-9_+-]{1,40}):/g;

const unescaped = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export const emojiText = (text) => text.replace(/:([a-z0-9_+-]{1,40}):/g, (all, name) => EMOJI[name] || all);

function angled(inner) {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? "" : inner.slice(bar + 1);
  if (target.startsWith("@")) return el("span", { class: "mention" }, `@${label || target.slice(1)}`);
  if (target.startsWith("#")) return el("span", { class: "mention" }, `#${label || target.slice(1)}`);
  if (target.startsWith("!date^")) return document.createTextNode(unescaped(label));
  if (target.startsWith("!")) return el("span", { class: "mention loud" }, `@${label || target.slice(1)}`);
  return link(unescaped(target), unescaped(label || target));
}

export function inline(text) {
  const nodes = [];
  let place = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > place) nodes.push(unescaped(text.slice(place, found.index)));
    const [all, fence, code, angle, bold, italic, strike, emoji] = found;
    if (fence !== undefined) nodes.push(el("pre", {}, unescaped(fence.replace(/^\n/, ""))));
    else if (code !== undefined) nodes.push(el("code", {}, unescaped(code)));
    else if (angle !== undefined) nodes.push(angled(angle));
    else if (bold !== undefined) nodes.push(el("strong", {}, inline(bold)));
    else if (italic !== undefined) nodes.push(el("em", {}, inline(italic)));
    else if (strike !== undefined) nodes.push(el("s", {}, inline(strike)));
    else nodes.push(EMOJI[emoji] || all);
    place = found.index + all.length;
  }
  if (place < text.length) nodes.push(unescaped(text.slice(place)));
  return nodes;
}

export function mrkdwn(text) {
  const holder = el("div", { class: "mrkdwn" });
  // Code blocks may run over lines, so they are cut out before lines are looked at.
  for (const part of text.split(/(```[\s\S]+?```)/)) {
    if (part.startsWith("```")) {
      holder.append(...inline(part));
      continue;
    }
    for (const line of part.replace(/^\n|\n$/g, "").split("\n")) {
      if (part.trim() === "") continue;
      if (/^(&gt;|>)/.test(line)) holder.append(el("blockquote", {}, inline(line.replace(/^(&gt;|>) ?/, ""))));
      else holder.append(el("div", { class: "line" }, inline(line)));
    }
  }
  return holder;
}

export function textObject(object) {
  if (!object) return el("span");
  return object.type === "mrkdwn" ? mrkdwn(object.text || "") : el("span", {}, emojiText(object.text || ""));
}
