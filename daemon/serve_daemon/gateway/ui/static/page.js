// The status page: follows what the daemon does, and shows it.

import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { announce, byId, setText, showText } from "./elements.js";
import { Happenings } from "./happenings.js";
import { Models } from "./models.js";
import { Overview, notice } from "./overview.js";
import { hasKey, useKey } from "./server.js";

const NEWS_SECONDS = 10; // what is older is history, and not read out

class Page {
  #overview = new Overview();
  #models = new Models();
  #happenings = new Happenings();
  #chat = new Chat((message) => this.onKeyNeeded(message));
  #connection = new Connection(this);
  #snapshot = null;
  #onKey = null;

  constructor() {
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#takeKey(byId("key").value.trim());
    });
    byId("forget-key").addEventListener("click", () => {
      useKey("");
      this.#connection.restart();
    });
  }

  run() {
    return this.#connection.run();
  }

  onState(state, text) {
    byId("connection").dataset.state = state;
    setText(byId("connection-text"), text);
    byId("content").classList.toggle("stale", state === "lost");
    if (state === "lost" && this.#snapshot) announce("The connection is lost. This page reconnects.");
  }

  onEvent(name, data) {
    if (name === "snapshot") this.#show(data);
    else if (name === "event") this.#happen(data);
    else if (name === "trouble") notice(`The daemon does not tell its state: ${data.message}`, "bad");
  }

  /** Asks for a key, and resolves once there is one. */
  onKeyNeeded(message) {
    this.onState("key", "A key is needed");
    byId("content").hidden = true;
    byId("forget-key").hidden = true;
    byId("key-form").hidden = false;
    showText(byId("key-error"), hasKey() ? message : "");
    byId("key").focus();
    return new Promise((resolve) => { this.#onKey = resolve; });
  }

  #takeKey(text) {
    useKey(text);
    byId("key").value = "";
    byId("key-form").hidden = true;
    this.#onKey?.();
    this.#onKey = null;
    this.#connection.restart();
  }

  #show(snapshot) {
    const before = this.#snapshot;
    this.#snapshot = snapshot;
    byId("content").hidden = false;
    byId("key-form").hidden = true;
    byId("forget-key").hidden = !hasKey();
    this.#compare(before, snapshot);
    this.#overview.update(snapshot);
    this.#models.update(snapshot);
    this.#chat.update(snapshot.models);
    this.#showTitle(snapshot.models);
    if (byId("connection").dataset.state !== "live") {
      if (before) announce("The connection is back.");
      this.onState("live", "Live");
    }
  }

  /** Says what is another one than before. */
  #compare(before, now) {
    if (byId("notice").dataset.tone === "bad") notice("");
    if (!before) return;
    if (before.daemon.version !== now.daemon.version) {
      notice(`serve-daemon was updated to ${now.daemon.version}: reload this page to get its new one.`, "news");
    } else if (before.daemon.started !== now.daemon.started) {
      notice("The daemon was restarted.");
    } else if (before.gateway.pid !== now.gateway.pid) {
      notice("The gateway was replaced.");
    }
    if (before.daemon.started !== now.daemon.started) this.#happenings.clear();
  }

  #happen(event) {
    if (!this.#happenings.add(event)) return;
    if (event.kind === "reload") this.#overview.noteReload(event);
    const isNews = this.#snapshot && this.#snapshot.time - event.time < NEWS_SECONDS;
    if (event.kind === "state" && isNews) announce(`${event.model} is ${event.new}`);
  }

  #showTitle(models) {
    const failed = models.filter((each) => each.state === "failed").length;
    const title = failed ? `(${failed} failed) serve-daemon` : "serve-daemon";
    if (document.title !== title) document.title = title;
  }
}

new Page().run();
