// How the page asks its server: with the key that was typed in, and by streams of events.

const STORED_KEY = "serve-daemon-key";

let key = sessionStorage.getItem(STORED_KEY) ?? "";

export const hasKey = () => key !== "";

export function useKey(text) {
  key = text;
  if (text) sessionStorage.setItem(STORED_KEY, text);
  else sessionStorage.removeItem(STORED_KEY);
}

/** A reply that is an error: its status, and its message for people. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The reply to a request for `path`, relative to the page. Throws `Refused` for one that is an error. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  const reply = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
  if (!reply.ok) throw new Refused(reply.status, await messageOf(reply));
  return reply;
}

async function messageOf(reply) {
  const text = await reply.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return `${reply.status} ${reply.statusText}`.trim();
  }
}

/**
 * The server-sent events of a reply, as {name, data}; `data` is read as JSON but for OpenAI's [DONE].
 * `onBytes` is called whenever something came, comments included.
 */
export async function* events(reply, onBytes = () => {}) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = parse(block);
        if (event !== null) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // of a stream that has failed already
  }
}

function parse(block) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data === "" || data === "[DONE]") return null;
  return { name, data: JSON.parse(data) };
}
