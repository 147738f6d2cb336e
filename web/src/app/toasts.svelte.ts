/** Short notes that go away by themselves; what needs an answer is never one of them. */

export interface Toast {
  id: number;
  text: string;
  kind: "note" | "bad";
}

export const toasts = $state<{ list: Toast[] }>({ list: [] });

let last = 0;

/** Says something for some seconds; read out by screen readers. */
export function say(text: string, kind: Toast["kind"] = "note"): void {
  const id = ++last;
  toasts.list.push({ id, text, kind });
  window.setTimeout(() => dismiss(id), kind === "bad" ? 9000 : 4000);
}

/** Takes a note away. */
export function dismiss(id: number): void {
  toasts.list = toasts.list.filter((toast) => toast.id !== id);
}

/** Puts text on the clipboard and says so. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
  } catch {
    say(`The browser did not let ${what.toLowerCase()} be copied.`, "bad");
  }
}
