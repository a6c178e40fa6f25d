// The list of recent events, the newest first.

import { byId, make } from "./elements.js";
import { time } from "./words.js";

const KEPT = 100;
const BAD = new Set(["failed", "backoff"]);

export class Happenings {
  #last = 0;

  /** Forgets all, as another daemon counts anew. */
  clear() {
    this.#last = 0;
    byId("events").replaceChildren();
  }

  /** Whether the event is one that was not shown before. */
  add(event) {
    if (event.number <= this.#last) return false;
    this.#last = event.number;
    const place = byId("events");
    place.prepend(item(event));
    while (place.children.length > KEPT) place.lastElementChild.remove();
    return true;
  }
}

function item(event) {
  const [first, ...rest] = event.message.split("\n");
  const isBad = BAD.has(event.new) || /^reload .*(failed|refused)/.test(event.message);
  const line = make("li", { "data-kind": event.kind, "data-bad": isBad ? "" : null, "data-new": event.new || null },
    make("time", { datetime: new Date(event.time * 1000).toISOString() }, time(event.time)),
    make("span", { class: "subject" }, event.model || event.kind));
  const text = make("div", { class: "text" });
  if (event.old || event.new) text.append(make("span", { class: "step" }, `${event.old} → ${event.new}`), first ? " " : "");
  text.append(first);
  if (rest.length) text.append(make("pre", {}, rest.join("\n")));
  line.append(text);
  return line;
}
