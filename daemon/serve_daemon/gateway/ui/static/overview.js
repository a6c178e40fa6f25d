// The tiles on top: the daemon, the gateway, the last reload, and memory as a whole.

import { deviceName } from "./bars.js";
import { byId, make, setAttribute, setText, showText } from "./elements.js";
import { count, duration, plural, size, time } from "./words.js";

const OUTCOMES = { applied: "good", refused: "bad", failed: "bad" };

class Tile {
  constructor(title) {
    this.value = make("dd", { class: "value" });
    this.more = make("dd", { class: "faint" });
    this.element = make("div", { class: "tile panel" }, make("dt", {}, title), this.value, this.more);
  }

  show(value, more, tone = "") {
    setText(this.value, value);
    setText(this.more, more);
    this.element.dataset.tone = tone;
  }
}

export class Overview {
  #daemon = new Tile("Daemon");
  #gateway = new Tile("Gateway");
  #reload = new Tile("Last reload");
  #memory = new Tile("Memory");
  #bars = make("dd", { class: "devices" });
  #problems = { title: make("p", {}), text: make("pre", { tabindex: "0" }) };
  #lastReload = null;

  constructor() {
    this.#memory.element.append(this.#bars);
    this.problems = make("div", { class: "notice bad", hidden: "" }, this.#problems.title, this.#problems.text);
    byId("tiles").after(this.problems);
    byId("tiles").append(...[this.#daemon, this.#gateway, this.#reload, this.#memory].map((each) => each.element));
  }

  update({ time: now, daemon, gateway, models, devices }) {
    setText(byId("version"), daemon.version);
    this.#daemon.show(daemon.state, `up ${duration(now - daemon.started)} · pid ${daemon.pid} · ${size(daemon.memory)}`, daemon.state === "running" ? "good" : "");
    const requests = `${count(gateway.open_requests)} open · ${plural(gateway.requests, "request")} · ${plural(gateway.failures, "failure")}`;
    this.#gateway.show(gateway.state, gateway.reason && gateway.state !== "ready" ? gateway.reason : `${requests} · ${gateway.listen.join(", ")}`,
      gateway.state === "ready" ? "good" : "bad");
    this.#showReload(daemon.state === "reloading" ? "under way" : daemon.last_reload);
    this.#showMemory(models, daemon, devices);
  }

  /** Notes an event about a reload: the last one of them tells how the last reload went. */
  noteReload(event) {
    this.#lastReload = event;
  }

  #showReload(outcome) {
    const event = this.#lastReload;
    const [first, ...rest] = event ? event.message.split("\n") : [""];
    const why = first.replace(/^reload (begins: )?/, "");
    const more = event ? [time(event.time), why].filter((each) => each !== outcome).join(" · ") : "The configuration of the start holds.";
    this.#reload.show(outcome || "none yet", more, OUTCOMES[outcome] ?? "");
    this.problems.hidden = OUTCOMES[outcome] !== "bad" || !rest.length;
    setText(this.#problems.title, first && `The last ${first}:`);
    setText(this.#problems.text, rest.join("\n"));
  }

  #showMemory(models, daemon, devices) {
    const bars = devices.map((device) => new DeviceBar(device, models, device.name === "cpu" ? daemon.memory : 0));
    const [first] = bars;
    this.#memory.show(first ? `${size(first.ours)} taken` : "unknown", first?.text ?? "");
    this.#bars.replaceChildren(...bars.map((each) => each.element));
  }
}

/** How much of one device is ours, how much others', and what is free. */
class DeviceBar {
  constructor(device, models, own) {
    const here = models.filter((each) => each.device === device.name);
    this.ours = own + here.reduce((total, each) => total + each.memory, 0);
    const others = Math.max(0, device.total - device.free - this.ours);
    this.text = `${size(device.free)} free of ${size(device.total)}`;
    const parts = [make("span", { class: "used" }), make("span", { class: "others" })];
    parts[0].style.width = `${(100 * this.ours) / device.total}%`;
    parts[1].style.width = `${(100 * others) / device.total}%`;
    this.element = make("div", { class: "bar", role: "meter", "aria-label": `Memory of the ${deviceName(device)}`, "aria-valuemin": 0 }, ...parts);
    setAttribute(this.element, "aria-valuenow", Math.round(device.total - device.free));
    setAttribute(this.element, "aria-valuemax", device.total);
    setAttribute(this.element, "aria-valuetext", `${size(this.ours)} by serve-daemon, ${size(others)} by others, ${this.text}`);
  }
}

/** Shows a line about the page itself above all, for a while. */
let hiding = 0;
export function notice(text, tone = "") {
  const place = byId("notice");
  clearTimeout(hiding);
  place.dataset.tone = tone;
  showText(place, text);
  if (text && !tone) hiding = setTimeout(() => showText(place, ""), 12_000);
}
