// The chat: a conversation with one model over POST /v1/responses, kept in this tab alone.

import { announce, byId, make, setText } from "./elements.js";
import { Refused, ask, events } from "./server.js";
import { count, rate } from "./words.js";

const CAN_CHAT = new Set(["ready", "asleep", "starting", "backoff", "draining"]);
const NEAR_THE_END = 48; // pixels: whoever has scrolled up wants to stay there

export class Chat {
  #history = []; // what was said, as input items
  #abort = null; // of the answer that is under way
  #onKeyNeeded;

  constructor(onKeyNeeded) {
    this.#onKeyNeeded = onKeyNeeded;
    this.message = byId("chat-message");
    this.log = byId("chat-log");
    byId("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.message.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.message.addEventListener("input", () => this.#fit());
    byId("chat-stop").addEventListener("click", () => this.#abort?.abort());
    byId("chat-new").addEventListener("click", () => this.#clear());
  }

  /** Offers the models that generate. */
  update(models) {
    const select = byId("chat-model");
    const offered = models.filter((each) => each.engine !== "embedding");
    const labels = offered.map((each) => (each.state === "ready" ? each.name : `${each.name} (${each.state})`));
    const told = JSON.stringify(labels);
    if (select.dataset.told === told) return; // else an open list would close
    select.dataset.told = told;
    const chosen = select.value;
    select.replaceChildren(...offered.map((each, index) => {
      const option = make("option", { value: each.name }, labels[index]);
      option.disabled = !CAN_CHAT.has(each.state);
      return option;
    }));
    const best = offered.find((each) => each.name === chosen && CAN_CHAT.has(each.state))
      ?? offered.find((each) => each.state === "ready") ?? offered.find((each) => CAN_CHAT.has(each.state));
    select.value = best?.name ?? "";
    byId("chat-send").disabled = best === undefined;
    setText(byId("chat-help").lastChild, best ? " begins a new line. What is said here is not kept." : " begins a new line. No model can answer now.");
  }

  #clear() {
    this.#abort?.abort();
    this.#history = [];
    this.log.replaceChildren();
    byId("chat-new").disabled = true;
    this.message.focus();
  }

  #fit() {
    this.message.style.height = "auto";
    this.message.style.height = `${this.message.scrollHeight + 2}px`;
  }

  async #send() {
    const text = this.message.value.trim();
    const model = byId("chat-model").value;
    if (!text || !model || this.#abort) return;
    this.message.value = "";
    this.#fit();
    this.#add("user", "You", text);
    const turn = new Turn(this.#add("assistant", model, ""), () => this.#follow());
    this.#abort = new AbortController();
    this.#showBusy(true);
    try {
      await this.#answer(model, text, turn);
    } finally {
      this.#abort = null;
      this.#showBusy(false);
    }
  }

  async #answer(model, text, turn) {
    const question = { type: "message", role: "user", content: text };
    const input = [...this.#history, question];
    const body = JSON.stringify({ model, input, stream: true, store: false, ...wishes() });
    try {
      const options = { method: "POST", body, headers: { "Content-Type": "application/json" }, signal: this.#abort.signal };
      for await (const event of events(await ask("v1/responses", options))) turn.take(event.data);
      turn.end();
    } catch (error) {
      if (this.#abort.signal.aborted) turn.stop();
      else turn.fail(error.message || "The connection was lost.");
      if (error instanceof Refused && error.status === 401) this.#onKeyNeeded(error.message);
    }
    if (turn.text) this.#history.push(question, { type: "message", role: "assistant", content: turn.text });
    else if (turn.hasFailed && !this.message.value) this.message.value = text; // to be sent again
    announce(turn.hasFailed ? "" : `${model} says: ${turn.text}`);
  }

  #add(role, who, text) {
    const element = make("div", { class: `turn ${role}` }, make("p", { class: role === "user" ? "unseen" : "who faint" }, who), make("div", { class: "said" }, text));
    this.log.append(element);
    this.log.scrollTop = this.log.scrollHeight;
    byId("chat-new").disabled = false;
    return element;
  }

  #follow() {
    const left = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight;
    return left < NEAR_THE_END ? () => { this.log.scrollTop = this.log.scrollHeight; } : () => {};
  }

  #showBusy(isBusy) {
    this.log.setAttribute("aria-busy", isBusy);
    const [send, stop] = [byId("chat-send"), byId("chat-stop")];
    const hadFocus = document.activeElement === send || document.activeElement === stop;
    [send.hidden, stop.hidden] = [isBusy, !isBusy];
    if (hadFocus) (isBusy ? stop : this.message).focus();
  }
}

/** What was set under the options; the rest is left to the model. */
function wishes() {
  const temperature = byId("chat-temperature").valueAsNumber;
  const instructions = byId("chat-instructions").value.trim();
  return {
    ...(Number.isNaN(temperature) ? {} : { temperature }),
    ...(instructions ? { instructions } : {}),
  };
}

/** One answer, as it comes. */
class Turn {
  text = "";
  hasFailed = false;
  #tokens = 0;
  #begun = performance.now();
  #first = 0;

  constructor(element, follow) {
    this.#follow = follow;
    this.said = element.querySelector(".said");
    this.thought = make("div", { class: "thought" });
    this.reasoning = make("details", { class: "faint", hidden: "" }, make("summary", {}, "Reasoning"), this.thought);
    this.foot = make("p", { class: "foot faint" }, "Waiting");
    this.said.before(this.reasoning);
    element.append(this.foot);
    this.element = element;
    element.classList.add("waiting");
  }

  #follow;

  take(event) {
    switch (event.type) {
      case "response.output_text.delta":
        this.#note(this.said, event.delta);
        this.text += event.delta;
        break;
      case "response.reasoning_text.delta":
        this.reasoning.hidden = false;
        this.#note(this.thought, event.delta);
        break;
      case "response.completed":
      case "response.incomplete":
        this.#tokens = event.response.usage?.output_tokens ?? this.#tokens;
        break;
      case "response.failed":
        throw new Error(event.response.error?.message ?? "The answer has failed.");
      case "error":
        throw new Error(event.message ?? event.error?.message ?? "The answer has failed.");
    }
  }

  end() {
    this.#finish(this.#tokens ? this.#figures() : "Nothing was said");
  }

  stop() {
    this.#finish(`Stopped · ${this.#figures()}`);
  }

  fail(message) {
    this.hasFailed = true;
    this.#finish(this.text ? this.#figures() : "");
    this.element.append(make("p", { class: "error", role: "alert" }, message));
  }

  #note(place, delta) {
    const follow = this.#follow();
    this.#first ||= performance.now();
    this.#tokens += 1; // about: a piece is most often a token
    place.append(delta);
    this.element.classList.remove("waiting");
    setText(this.foot, this.#figures());
    follow();
  }

  #figures() {
    if (!this.#first) return "nothing was said";
    const seconds = (performance.now() - this.#first) / 1000;
    const perSecond = this.#tokens > 1 && seconds > 0 ? ` · ${rate((this.#tokens - 1) / seconds)} tokens/s` : "";
    const wait = ((this.#first - this.#begun) / 1000).toFixed(2);
    return `${count(this.#tokens)} token${this.#tokens === 1 ? "" : "s"}${perSecond} · first after ${wait} s`;
  }

  #finish(text) {
    const follow = this.#follow();
    this.element.classList.remove("waiting");
    this.foot.hidden = !text;
    setText(this.foot, text);
    follow();
  }
}
