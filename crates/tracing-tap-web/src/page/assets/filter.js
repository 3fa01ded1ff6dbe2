// Tests of events in a recording: those that the opened event offers for each of its values, and their negations.

const FORM = /^(not )?(@[a-z]+|`(?:[^`\\]|\\.)*`|[^\s`]+) (=|\^=|exists)(?: ([^]*))?$/;

/**
 * @param {import("./event.js").Shown} event
 * @param {string[]} tests as `predicate.js` writes them
 */
export function matches(event, tests) {
  return tests.every((test) => satisfies(event, test));
}

function satisfies(event, test) {
  const read = FORM.exec(test);
  if (read === null) throw new Error(`a test of an unknown form: ${test}`);
  const [, not, subject, operator, literal = ""] = read;
  return holds(event, subject, operator, literal.startsWith('"') ? JSON.parse(literal) : literal) !== (not !== undefined);
}

function holds(event, subject, operator, value) {
  switch (subject) {
    case "@level": return event.level.toLowerCase() === value;
    case "@target": return event.target === value || event.target.startsWith(`${value}::`);
    case "@span": return event.spans.some(({ name }) => name === value);
    case "@file": return event.file === value || event.file.endsWith(value.startsWith("/") ? value : `/${value}`);
    default: return fieldsNamed(event, nameOf(subject)).some((field) => accepts(field, operator, value));
  }
}

/** Those of the event and of all spans around it, and the ids of its trace; a timing is tested by its spans alone, as a session tests it. */
function fieldsNamed({ message, fields, spans, times, traceId, spanId }, name) {
  const ids = Object.entries({ trace_id: traceId, span_id: spanId }).filter(([, text]) => text);
  const own = times !== null ? [] : [...(message === null ? [] : [message]), ...fields];
  const all = [...own, ...spans.flatMap((span) => span.fields), ...ids.map(([id, text]) => ({ name: id, text, kind: "string" }))];
  return all.filter((field) => field.name === name);
}

function accepts({ text, kind }, operator, value) {
  if (operator === "exists") return text !== "<redacted>";
  if (operator === "^=") return text.startsWith(value);
  return plain(text, kind) === plain(value, "number");
}

/** `1.0` is the number 1. */
function plain(text, kind) {
  return kind === "number" && /^-?\d+\.0+$/.test(text) ? text.replace(/\.0+$/, "") : text;
}

/** A name that is in backticks has escapes. */
function nameOf(subject) {
  if (!subject.startsWith("`")) return subject;
  const body = subject.slice(1, -1).replaceAll("\\`", "`").replaceAll('"', '\\"');
  return JSON.parse(`"${body}"`).replace(/^r#/, "");
}
