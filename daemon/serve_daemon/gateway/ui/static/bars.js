// Bars of memory and of progress, and the line of a rate over time.

import { make, makeSvg, setAttribute, setText } from "./elements.js";
import { percent, size } from "./words.js";

const POINTS = 60; // two minutes

const share = (part, whole) => Math.min(1, Math.max(0, whole > 0 ? part / whole : 0));

/** What a model has of memory, beside what it is expected to take, may take, and took at its most. */
export class MemoryBar {
  constructor() {
    this.used = make("span", { class: "used" });
    this.peak = make("span", { class: "tick peak" });
    this.expected = make("span", { class: "tick expected" });
    this.bar = make("div", { class: "bar", role: "meter", "aria-valuemin": 0 }, this.used, this.peak, this.expected);
    this.text = make("p", { class: "faint" });
    this.element = make("div", { class: "memory" }, this.bar, this.text);
  }

  update(model, device) {
    const engines = Math.max(1, model.replicas.filter((each) => each.role === "serving").length);
    const expected = (model.estimate?.total ?? 0) * engines;
    const limit = (model.memory_max ?? 0) * engines;
    const whole = limit || (expected ? 1.15 * Math.max(expected, model.peak_memory, model.memory) : device?.total) || 1;
    this.element.hidden = !model.memory && !expected;
    this.bar.hidden = !model.memory;
    this.bar.dataset.tight = limit > 0 && model.memory > 0.9 * limit;
    this.used.style.width = percent(share(model.memory, whole)).replace(" ", "");
    place(this.peak, model.peak_memory > model.memory ? model.peak_memory : 0, whole);
    place(this.expected, expected, whole);
    const text = describe(model, expected, limit, device);
    setText(this.text, text);
    setAttribute(this.bar, "aria-label", `Memory of ${model.name}`);
    setAttribute(this.bar, "aria-valuenow", Math.round(model.memory));
    setAttribute(this.bar, "aria-valuemax", Math.round(whole));
    setAttribute(this.bar, "aria-valuetext", text);
  }
}

function place(tick, value, whole) {
  tick.hidden = !value;
  tick.style.left = `${100 * share(value, whole)}%`;
}

function describe(model, expected, limit, device) {
  const parts = [model.memory ? `${size(model.memory)} of memory` : "no memory taken"];
  if (limit) parts.push(`at most ${size(limit)}`);
  if (expected) parts.push(`up to ${size(expected)} expected`);
  if (model.peak_memory > model.memory) parts.push(`peak ${size(model.peak_memory)}`);
  if (device && model.memory) parts.push(`${percent(model.memory / device.total)} of the ${deviceName(device)}`);
  return parts.join(" · ");
}

export const deviceName = (device) => (device.name === "cpu" ? "machine" : device.name);

/** How far an engine is on its way to be ready. */
export class ProgressBar {
  constructor() {
    this.done = make("span", { class: "used" });
    this.bar = make("div", { class: "bar progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.done);
    this.text = make("p", {});
    this.element = make("div", { class: "loading", hidden: "" }, this.text, this.bar);
  }

  update(model) {
    const replica = model.replicas.find((each) => each.progress) ?? model.replicas.find((each) => each.phase === "starting");
    this.element.hidden = replica === undefined;
    if (replica === undefined) return;
    const isKnown = replica.progress_total > 0;
    const part = share(replica.progress_done, replica.progress_total);
    this.bar.hidden = replica.phase !== "starting";
    this.bar.dataset.known = isKnown;
    this.done.style.width = isKnown ? `${100 * part}%` : "";
    setAttribute(this.bar, "aria-valuenow", isKnown ? Math.round(100 * part) : null);
    setAttribute(this.bar, "aria-label", `Progress of ${model.name}`);
    setText(this.text, words(replica, isKnown, part));
  }
}

function words(replica, isKnown, part) {
  if (replica.progress === "compiling") return "Serves already, and compiles to be faster";
  const doing = (replica.progress || "starting").split(" ").map(lastPart).join(" ");
  const capital = doing[0].toUpperCase() + doing.slice(1);
  if (!isKnown) return capital;
  return `${capital} · ${size(replica.progress_done)} of ${size(replica.progress_total)}, ${percent(part)}`;
}

const lastPart = (word) => (word.startsWith("/") ? word.split("/").at(-1) : word); // of a path

/** The last two minutes of a rate. */
export class Line {
  #values = [];

  constructor() {
    this.path = makeSvg("polyline", { points: "" });
    this.element = makeSvg("svg", { class: "line", viewBox: `0 0 ${POINTS - 1} 20`, preserveAspectRatio: "none", "aria-hidden": "true" }, this.path);
  }

  add(value) {
    this.#values = [...this.#values, value].slice(-POINTS);
    const most = Math.max(...this.#values, 1);
    const first = POINTS - this.#values.length;
    const points = this.#values.map((each, index) => `${first + index},${(19 - 18 * (each / most)).toFixed(1)}`);
    this.path.setAttribute("points", points.join(" "));
    this.element.classList.toggle("still", Math.max(...this.#values) === 0);
  }
}
