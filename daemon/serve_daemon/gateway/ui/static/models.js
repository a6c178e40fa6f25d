// The cards of the models. Each is changed in place, so that focus and selection stay.

import { advice } from "./advice.js";
import { Line, MemoryBar, ProgressBar } from "./bars.js";
import { byId, make, setText, showText } from "./elements.js";
import { count, duration, plural, rate, size, time } from "./words.js";

const BAD = new Set(["failed", "backoff"]);
const UNSAID = {
  asleep: "The next request wakes it.",
  stopped: "It is held stopped: servectl start lets it run.",
};

const sum = (list, field) => list.reduce((total, each) => total + each[field], 0);

export class Models {
  #cards = new Map();

  update(snapshot) {
    const place = byId("models");
    const names = new Set(snapshot.models.map((each) => each.name));
    for (const [name, card] of this.#cards) {
      if (!names.has(name)) {
        card.element.remove();
        this.#cards.delete(name);
      }
    }
    snapshot.models.forEach((model, index) => {
      const card = this.#card(model.name);
      if (place.children[index] !== card.element) place.insertBefore(card.element, place.children[index] ?? null);
      card.update(model, snapshot);
    });
    place.classList.toggle("empty", snapshot.models.length === 0);
    setText(byId("models-summary"), summary(snapshot.models));
  }

  #card(name) {
    if (!this.#cards.has(name)) this.#cards.set(name, new Card(name));
    return this.#cards.get(name);
  }
}

function summary(models) {
  if (!models.length) return "None is configured: servectl add names one.";
  const ready = models.filter((each) => each.state === "ready").length;
  const perSecond = sum(models, "tokens_per_second");
  return `${ready} of ${models.length} ready${perSecond > 0 ? ` · ${rate(perSecond)} tokens/s` : ""}`;
}

class Card {
  #figures = {};
  #memory = new MemoryBar();
  #progress = new ProgressBar();
  #line = new Line();

  constructor(name) {
    this.name = make("h3", { tabindex: "-1" }, name);
    this.aliases = make("span", { class: "aliases faint" });
    this.state = make("span", { class: "word" });
    this.since = make("span", { class: "faint" });
    this.reason = make("p", { class: "reason" });
    this.help = make("div", { class: "help" });
    this.facts = make("p", { class: "facts faint" });
    this.replicas = make("tbody");
    this.details = make("details", { hidden: "" }, make("summary", {}, "Engines"), this.#table());
    this.element = make("article", { class: "model panel", "aria-label": name },
      make("header", {}, make("div", { class: "name" }, this.name, this.aliases),
        make("p", { class: "state" }, make("span", { class: "dot", "aria-hidden": "true" }), this.state, this.since)),
      this.reason, this.help, this.#progress.element, this.#numbers(), this.#memory.element, this.facts, this.details);
  }

  #table() {
    const heads = ["Engine", "Role", "Phase", "Device", "Running", "Memory"];
    const head = make("thead", {}, make("tr", {}, ...heads.map((each) => make("th", { scope: "col" }, each))));
    return make("div", { class: "scroll" }, make("table", {}, head, this.replicas));
  }

  #numbers() {
    const list = make("dl", { class: "figures" });
    for (const [id, label] of [["rate", "Tokens/s"], ["running", "Running"], ["queued", "Waiting"], ["restarts", "Restarts"]]) {
      this.#figures[id] = make("dd", {});
      const line = id === "rate" ? this.#line.element : null;
      list.append(make("div", { class: id }, make("dt", {}, label), this.#figures[id], ...(line ? [make("dd", { class: "chart" }, line)] : [])));
    }
    return list;
  }

  update(model, snapshot) {
    this.element.dataset.state = model.state;
    setText(this.state, model.state);
    setText(this.since, `for ${duration(snapshot.time - model.since)}`);
    showText(this.aliases, model.aliases.length ? `also ${model.aliases.join(", ")}` : "");
    showText(this.reason, reason(model));
    this.#advise(model, snapshot);
    this.#progress.update(model);
    this.#count(model);
    this.#memory.update(model, deviceOf(model, snapshot.devices));
    setText(this.facts, facts(model));
    this.#listReplicas(model);
  }

  #count(model) {
    const restarts = model.restarts;
    setText(this.#figures.rate, rate(model.tokens_per_second));
    setText(this.#figures.running, count(sum(model.replicas, "running")));
    setText(this.#figures.queued, count(model.queued + sum(model.replicas, "waiting")));
    setText(this.#figures.restarts, count(restarts));
    this.#figures.restarts.parentElement.classList.toggle("some", restarts > 0);
    this.#line.add(model.tokens_per_second);
  }

  #advise(model, snapshot) {
    this.help.hidden = model.state !== "failed";
    if (this.help.hidden) return;
    const { text, commands } = advice(model);
    const told = `${text} ${commands.join(" ")} ${snapshot.daemon.config}`;
    if (this.help.dataset.told === told) return; // else a selected command would be let go
    this.help.dataset.told = told;
    this.help.replaceChildren(
      make("p", {}, make("strong", {}, "What to do. "), text, " The file is ", make("code", {}, snapshot.daemon.config), "."),
      make("ul", { class: "commands" }, ...commands.map((each) => make("li", {}, make("code", {}, each)))));
  }

  #listReplicas(model) {
    this.details.hidden = model.replicas.length < 2;
    if (this.details.hidden) return;
    this.replicas.replaceChildren(...model.replicas.map((each) => make("tr", {},
      ...[each.id, each.role, each.phase, each.device, count(each.running), size(each.memory)].map((text) => make("td", {}, text)))));
  }
}

/** Where its engines are, unless they are on several. */
function deviceOf(model, devices) {
  return devices.find((each) => each.name === (model.replicas[0]?.device ?? model.device)) ?? null;
}

function reason(model) {
  if (model.state === "backoff" && model.retry_in !== null) return `${model.reason}. The next try is in ${duration(model.retry_in)}.`;
  if (model.state === "ready" && model.restarts && model.last_exit) {
    return `Its last engine ended at ${time(model.last_exit.time)}: ${model.last_exit.message}`;
  }
  return BAD.has(model.state) ? model.reason : UNSAID[model.state] ?? "";
}

function facts(model) {
  const parts = [model.engine, model.device];
  if (model.dtype !== "auto") parts.push(model.dtype);
  if (model.profile) parts.push(`profile ${model.profile}`);
  if (model.replicas.length > 1) parts.push(plural(model.replicas.length, "engine"));
  parts.push(`${plural(model.max_requests, "request")} at once`);
  if (model.max_context) parts.push(`${count(model.max_context)} tokens of context`);
  return parts.join(" · ");
}
