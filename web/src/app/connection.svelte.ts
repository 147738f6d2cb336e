/** Whether the server answers. While it does not, what is on the page stays, and it is asked again every two seconds. */

const EVERY_MS = 2000;

export const connection = $state<{ isOnline: boolean; restored: number }>({ isOnline: true, restored: 0 });

let timer = 0;

/** Called when a request did not reach the server. */
export function lost(): void {
  if (!connection.isOnline) return;
  connection.isOnline = false;
  timer = window.setTimeout(() => void knock(), EVERY_MS);
}

/** Called when the server answered. `restored` counts the returns: requests that failed are made again when it changes. */
export function reached(): void {
  window.clearTimeout(timer);
  if (connection.isOnline) return;
  connection.isOnline = true;
  connection.restored += 1;
}

/** Asks at once. */
export async function knock(): Promise<void> {
  window.clearTimeout(timer);
  try {
    await fetch("/api/health", { signal: AbortSignal.timeout(5000) });
    reached();
  } catch {
    timer = window.setTimeout(() => void knock(), EVERY_MS);
  }
}
