import { expect, test } from "vitest";
import { eventSplitter } from "../../src/api/events";

const STREAM = 'event: token\r\nid: 7\r\ndata: {"a":1}\r\n\r\n: still here\n\ndata: one\ndata: two\n\nevent: end\ndata: {}\n\ndata: not over';

test.each([1, 2, 3, 7, 1000])("events are the same in pieces of %i characters", (size) => {
  const split = eventSplitter();
  const events = [];
  for (let at = 0; at < STREAM.length; at += size) events.push(...split(STREAM.slice(at, at + size)));
  expect(events).toEqual([
    { event: "token", data: '{"a":1}', id: "7" },
    { event: "message", data: "one\ntwo", id: "" },
    { event: "end", data: "{}", id: "" },
  ]);
});
