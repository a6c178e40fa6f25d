// The stream of what the daemon does, for as long as the page is looked at.

import { Refused, ask, events } from "./server.js";

const SILENCE_MS = 10_000; // something comes every two seconds; a machine that slept has a dead connection
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
const HIDDEN_MS = 60_000; // a tab that nobody looks at for so long needs no news

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Connects, and again whenever that ends. `listener` has
 *   onEvent(name, data), onState(state, text) and onKeyNeeded(message), which resolves when there is one.
 */
export class Connection {
  #listener;
  #abort = new AbortController();
  #pause = FIRST_PAUSE_MS;
  #hiding = 0;

  constructor(listener) {
    this.#listener = listener;
    document.addEventListener("visibilitychange", () => this.#notice());
  }

  async run() {
    for (;;) {
      await this.#untilVisible();
      try {
        await this.#follow();
        this.#listener.onState("lost", "Reconnecting");
      } catch (error) {
        await this.#explain(error);
      }
      await sleep(this.#pause);
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    }
  }

  /** Begins anew, as with another key. */
  restart() {
    this.#pause = FIRST_PAUSE_MS;
    this.#abort.abort();
  }

  async #follow() {
    this.#abort = new AbortController();
    let silence = 0;
    const onBytes = () => {
      clearTimeout(silence);
      silence = setTimeout(() => this.#abort.abort(), SILENCE_MS);
    };
    onBytes();
    try {
      const reply = await ask("ui/events", { signal: this.#abort.signal });
      for await (const { name, data } of events(reply, onBytes)) {
        this.#pause = FIRST_PAUSE_MS;
        this.#listener.onEvent(name, data);
        if (name === "leaving") return;
      }
    } finally {
      clearTimeout(silence);
    }
  }

  async #explain(error) {
    if (error instanceof Refused && error.status === 401) {
      await this.#listener.onKeyNeeded(error.message);
      this.#pause = FIRST_PAUSE_MS;
    } else if (error instanceof Refused && error.status === 404) {
      this.#listener.onState("lost", "Switched off");
    } else if (document.hidden) {
      this.#listener.onState("paused", "Paused");
    } else {
      this.#listener.onState("lost", "Reconnecting");
    }
  }

  #notice() {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#abort.abort(), HIDDEN_MS);
  }

  async #untilVisible() {
    while (document.hidden && this.#abort.signal.aborted) {
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
      this.#pause = FIRST_PAUSE_MS;
    }
  }
}
