// Where the time of all requests goes: the busy time of closed spans, added up by their path of names as they arrive.

/**
 * @typedef {{ name: string, path: string, busy: number, closed: number, partial: number, children: Map<string, Node> }} Node the spans
 *   of one path; times in nanoseconds
 */

/** More paths are left out: a name may be made of anything. */
const MAX_NODES = 5_000;
/** What joins the names of a path: no name has it. */
const SEPARATOR = "\u0000";

export class Flames {
  root = node("", "");
  /** Rises whenever something has changed. */
  version = 0;
  /** Closed spans of paths for which there was no room. */
  leftOut = 0;
  #nodes = 0;

  /** Adds a timing as it came: its spans from the root, each with its name. @param {{ fields?: Record<string, any>, spans?: { name: string }[] }} timing */
  add({ fields = {}, spans = [] }) {
    let at = this.root;
    for (const { name } of spans) {
      const next = at.children.get(name) ?? this.#grow(at, name);
      if (next === null) {
        this.leftOut += 1;
        this.version += 1;
        return;
      }
      at = next;
    }
    at.busy += fields["time.busy"] ?? 0;
    at.closed += 1;
    if (fields.since !== undefined) at.partial += 1;
    this.version += 1;
  }

  get isEmpty() {
    return this.root.children.size === 0;
  }

  /** The node of a path, or the nearest one around it. */
  find(path) {
    let at = this.root;
    for (const name of path === "" ? [] : path.split(SEPARATOR)) at = at.children.get(name) ?? at;
    return at;
  }

  #grow(at, name) {
    if (this.#nodes >= MAX_NODES) return null;
    this.#nodes += 1;
    const made = node(name, at.path === "" ? name : `${at.path}${SEPARATOR}${name}`);
    at.children.set(name, made);
    return made;
  }
}

/** @returns {Node} */
function node(name, path) {
  return { name, path, busy: 0, closed: 0, partial: 0, children: new Map() };
}

/** How wide a node is: its own spans' time, or that of its children where they were busy for longer, or have closed earlier. @param {Node} of */
export function total(of) {
  let inside = 0;
  for (const child of of.children.values()) inside += total(child);
  return Math.max(of.busy, inside);
}
