// What to do about a model that has failed, by the class of what ended its last engine.

const MEMORY = "Let it hold less, with max_requests, max_context or kv_cache_memory, or quantize it;"
  + " servectl plan shows beforehand what fits.";

const BY_RESULT = {
  config: ["Change its table, then reload.", ["check", "reload"]],
  source: ["See that its weights are there and whole, or change source; then start it again.", ["start"]],
  oom: [MEMORY, ["plan", "reload"]],
  "out-of-memory": [MEMORY, ["plan", "reload"]],
  "no-room": [MEMORY, ["plan", "reload"]],
  device: ["See that the device is there, or set another one in device; then start it again.", ["start"]],
  timeout: ["Give it longer, with start_timeout, or see in its log what takes so long.", ["logs", "start"]],
};
const OTHERWISE = ["Its log says more. When that is mended, start it again.", ["logs", "start"]];
const OF_A_MODEL = new Set(["logs", "start"]);

/** {text, commands} for a model of the snapshot. */
export function advice(model) {
  const [text, names] = BY_RESULT[resultOf(model)] ?? OTHERWISE;
  const commands = names.map((name) => (OF_A_MODEL.has(name) ? `servectl ${name} ${quoted(model.name)}` : `servectl ${name}`));
  return { text, commands };
}

/** The class of what went wrong, which a reason begins with; else that of its last engine's end. */
function resultOf(model) {
  const [title] = model.reason.split(":");
  return title in BY_RESULT ? title : model.last_exit?.result;
}

/** A name as a shell takes it. */
function quoted(name) {
  return /^[\w./@:+-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}
