// Making elements. Text is only ever text: there is no way here to turn it into markup.

/** What Unicode says shows nothing of itself or changes how its neighbours show; the same as in the core's formats. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;

/**
 * An element with attributes, listeners (`onclick` and the like, as functions) and children: elements or texts.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A button that says what it does, to those who do not see it as well. */
export function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, label);
}

/** Text in which every character that is hidden, or would move its neighbours, is shown as its code. */
export function visible(text) {
  return text.replace(HIDDEN, (hidden) => {
    if (hidden === "\n") return "⏎";
    if (hidden === "\t") return "⇥";
    return `\\u{${hidden.codePointAt(0).toString(16)}}`;
  });
}

let lastId = 0;

/** An id that no other element has. */
export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

/** A number as people read it. */
export function grouped(number) {
  return number.toLocaleString("en-GB").replaceAll(",", "\u202f");
}

/** "1 event", "2 events". */
export function counted(number, thing) {
  return `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;
}
