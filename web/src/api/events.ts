/** Server-sent events read by fetch, so that a POST can stream and a header can be sent. */
import { request } from "./client";

export interface ServerEvent {
  event: string;
  data: string;
  id: string;
}

/** The events of a stream as they come; ends with the stream, or when the signal aborts. */
export async function* events(
  method: "GET" | "POST",
  path: string,
  asked: { path?: Record<string, string | number>; query?: Record<string, unknown>; body?: unknown; signal?: AbortSignal },
): AsyncGenerator<ServerEvent> {
  const response = await request(method, path, asked);
  if (!response.body) return;
  const split = eventSplitter();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* split(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A function that takes text in pieces and returns the events that are complete by then. */
export function eventSplitter(): (piece: string) => ServerEvent[] {
  let rest = "";
  return (piece) => {
    rest += piece;
    // The last character waits where it could be the first half of a line end.
    const held = rest.endsWith("\r") ? "\r" : "";
    const blocks = rest.slice(0, rest.length - held.length).replace(/\r\n?/g, "\n").split("\n\n");
    rest = (blocks.pop() ?? "") + held;
    return blocks.map(readEvent).filter((event) => event.data !== "");
  };
}

function readEvent(block: string): ServerEvent {
  const read: ServerEvent = { event: "message", data: "", id: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value ?? "");
    else if (field === "event") read.event = value || "message";
    else if (field === "id") read.id = value ?? "";
  }
  read.data = data.join("\n");
  return read;
}
