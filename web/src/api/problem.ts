/** What went wrong, as the server says it: problem+json with a hint that can be acted upon. */

export class Problem extends Error {
  readonly status: number;
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly hint: string;
  readonly trace: string;

  constructor(fields: { status: number; type?: string; title?: string; detail?: string; hint?: string; trace?: string }) {
    super(fields.detail || fields.title || `The server answered ${fields.status}.`);
    this.name = "Problem";
    this.status = fields.status;
    this.type = fields.type ?? "";
    this.title = fields.title ?? "Something went wrong";
    this.detail = fields.detail ?? "";
    this.hint = fields.hint ?? "";
    this.trace = fields.trace ?? "";
  }

  /** Whether the server could not be reached at all. */
  get isOffline(): boolean {
    return this.status === 0;
  }

  /** Everything, to be pasted into a report. */
  get report(): string {
    const rows = { title: this.title, detail: this.detail, hint: this.hint, type: this.type, status: this.status, trace: this.trace };
    return Object.entries(rows).filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`).join("\n");
  }
}

/** The problem that a failed answer tells. */
export async function readProblem(response: Response): Promise<Problem> {
  const said: unknown = await response.json().catch(() => null);
  const body = said && typeof said === "object" ? (said as Record<string, unknown>) : {};
  const text = (name: string): string => (typeof body[name] === "string" ? body[name] : "");
  return new Problem({
    status: response.status,
    type: text("type"),
    title: text("title") || response.statusText,
    detail: text("detail"),
    hint: text("hint"),
    trace: text("trace_id"),
  });
}

/** Anything that was thrown, as a problem. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem({ status: -1, title: "The page failed", detail: thrown instanceof Error ? thrown.message : String(thrown) });
}
