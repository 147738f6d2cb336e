/** Keys of the page in view. A page binds its keys while it is shown; `?` lists all that are bound. */
import { untrack } from "svelte";


export interface Key {
  /** As `KeyboardEvent.key` has it, such as "j" or "ArrowLeft"; two keys after each other are written "g h". */
  key: string;
  says: string;
  run: () => void;
}

export interface KeyGroup {
  title: string;
  keys: Key[];
}

class KeyTable {
  list = $state.raw<readonly KeyGroup[]>([]);
}

export const keyGroups = new KeyTable();

let pending = "";
let timer = 0;

/** Binds keys until the function that it returns is called: `$effect(() => bindKeys("Map", [...]))`. */
export function bindKeys(title: string, keys: Key[]): () => void {
  const group = { title, keys };
  keyGroups.list = [...untrack(() => keyGroups.list), group];
  return () => (keyGroups.list = untrack(() => keyGroups.list).filter((one) => one !== group));
}

/** Listens for bound keys; what is typed into a field is left alone. */
export function listenForKeys(): () => void {
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || takesText(event.target) || isOwn(event)) return;
  const bound = keyGroups.list.flatMap((group) => group.keys).reverse();
  const typed = pending ? `${pending} ${event.key}` : event.key;
  const found = bound.find((one) => one.key === typed) ?? bound.find((one) => one.key === event.key);
  pending = "";
  window.clearTimeout(timer);
  if (found) {
    event.preventDefault();
    found.run();
  } else if (bound.some((one) => one.key.startsWith(`${event.key} `))) {
    pending = event.key;
    timer = window.setTimeout(() => (pending = ""), 1000);
  }
}

/** Whether the key presses the button or follows the link that has the focus. */
function isOwn(event: KeyboardEvent): boolean {
  return (event.key === "Enter" || event.key === " ") && event.target instanceof Element && event.target.closest("a[href], button, summary, label") !== null;
}

function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest("dialog")) return true;
  return target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button])");
}
