/** Light or dark: as the system has it, unless the reader chose. */

export type Choice = "system" | "light" | "dark";

const KEY = "hooke-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

export const theme = $state<{ choice: Choice; shown: "light" | "dark" }>({ choice: "system", shown: "light" });

function apply(): void {
  theme.shown = theme.choice === "system" ? (system.matches ? "dark" : "light") : theme.choice;
  document.documentElement.dataset.theme = theme.shown;
}

/** Sets the theme that was chosen last, and follows the system where none was. */
export function startTheme(): void {
  const stored = window.localStorage.getItem(KEY);
  theme.choice = stored === "light" || stored === "dark" ? stored : "system";
  system.addEventListener("change", apply);
  apply();
}

/** Changes between light and dark; back at what the system has, the choice is forgotten. */
export function toggleTheme(): void {
  const next = theme.shown === "dark" ? "light" : "dark";
  theme.choice = next === (system.matches ? "dark" : "light") ? "system" : next;
  if (theme.choice === "system") window.localStorage.removeItem(KEY);
  else window.localStorage.setItem(KEY, theme.choice);
  apply();
}
