// Light or dark: the system's setting, until the user chooses.

const KEY = "tracing-tap.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const SIGNS = { system: "◐", light: "○", dark: "●" };

/** @param {HTMLButtonElement} switcher */
export function prepare(switcher) {
  let theme = remembered();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    switcher.textContent = SIGNS[theme];
    switcher.title = WORDS[theme];
    switcher.setAttribute("aria-label", `${WORDS[theme]}. Change it`);
  };
  switcher.addEventListener("click", () => {
    theme = NEXT[theme];
    remember(theme);
    apply();
  });
  apply();
}

function remembered() {
  try {
    const theme = localStorage.getItem(KEY) ?? "system";
    return theme in NEXT ? theme : "system";
  } catch {
    return "system";
  }
}

function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It is asked of the system again next time.
  }
}
