// Asks the user for the endpoint's token.

import { onTokenNeeded } from "./api.js";

/** Prepares the dialog of the page, which is shown after the first refusal. */
export function prepare() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("token"));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const input = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  const problem = /** @type {HTMLElement} */ (dialog.querySelector("[role=alert]"));
  onTokenNeeded((detail) => new Promise((resolve) => {
    problem.textContent = detail;
    input.value = "";
    const done = (token) => {
      input.value = "";
      form.onsubmit = dialog.oncancel = null;
      dialog.close();
      resolve(token);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      // What cannot be in a header cannot be a token.
      if (/^[\x21-\x7e]+$/.test(input.value.trim())) done(input.value.trim());
      else problem.textContent = "A token has visible ASCII characters only.";
    };
    dialog.oncancel = (event) => {
      event.preventDefault();
      done("");
    };
    dialog.showModal();
    input.focus();
  }));
}
