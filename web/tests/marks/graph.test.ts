import { expect, test } from "vitest";
import { ERROR, FEATURE, hitsOf, layoutOf, LOGIT, neighbour, nodeAt, TOKEN, toPixel, toPlace, wholeView, zoomed, type Places } from "../../src/marks/graph";

const ROOM = { width: 800, height: 600 };

/** Three layers and four tokens: a few features in each cell, one of which is crowded, two targets. */
function places(): Places {
  const rows: [number, number, number, number][] = [];
  for (let layer = 0; layer < 3; layer++) for (let position = 0; position < 4; position++) for (let at = 0; at < (layer === 1 && position === 0 ? 40 : 3); at++) rows.push([FEATURE, layer, position, 1 / (1 + at)]);
  rows.push([LOGIT, -1, 3, 0], [LOGIT, -1, 3, 0], [ERROR, 1, 2, 0.1]);
  for (let position = 0; position < 4; position++) rows.push([TOKEN, -1, position, 0.2]);
  const [kind, layer, position, influence] = [0, 1, 2, 3].map((at) => rows.map((row) => row[at]!)) as [number[], number[], number[], number[]];
  return { kind, layer, position, influence };
}

const all = (given: Places): Uint8Array => new Uint8Array(given.kind.length).fill(1);

test("tokens stand below, targets above, and each layer above the one before it", () => {
  const given = places(), layout = layoutOf(given, all(given), 3, 4, ROOM);
  const height = (node: number): number => (given.kind[node] === LOGIT ? 99 : given.kind[node] === TOKEN ? -1 : given.layer[node]!);
  for (const one of layout.shown) for (const other of layout.shown) if (height(one) > height(other)) expect(layout.y[one]).toBeLessThan(layout.y[other]!);
});

test("a node stands in its token's column, and no two at one place", () => {
  const given = places(), layout = layoutOf(given, all(given), 3, 4, ROOM);
  for (const node of layout.shown) {
    if (given.kind[node] === LOGIT) continue;
    const column = layout.columns.find((one) => one.position === given.position[node])!;
    expect(layout.x[node]).toBeGreaterThanOrEqual(column.left);
    expect(layout.x[node]).toBeLessThanOrEqual(column.left + column.width);
  }
  expect(new Set([...layout.shown].map((node) => `${layout.x[node]} ${layout.y[node]}`)).size).toBe(layout.shown.length);
});

test("equal input gives equal places, and what is hidden has none", () => {
  const given = places(), shown = all(given);
  shown[3] = 0;
  const [one, other] = [layoutOf(given, shown, 3, 4, ROOM), layoutOf(given, shown, 3, 4, ROOM)];
  expect([...one.x]).toEqual([...other.x]);
  expect(one.x[3]).toBeNaN();
  expect([...one.shown]).not.toContain(3);
});

test("the node under the pointer is found, and nothing far from all", () => {
  const given = places(), layout = layoutOf(given, all(given), 3, 4, ROOM), hits = hitsOf(layout);
  for (const node of layout.shown) expect(nodeAt(layout, hits, layout.x[node]!, layout.y[node]!, 5)).toBe(node);
  expect(nodeAt(layout, hits, -500, -500, 5)).toBe(-1);
});

test("everything is in view at first, and zooming keeps the place under the pointer", () => {
  const given = places(), layout = layoutOf(given, all(given), 3, 4, ROOM), view = wholeView(layout, 900, 700);
  for (const node of layout.shown) {
    const [x, y] = toPixel(view, layout.x[node]!, layout.y[node]!);
    expect(x > 0 && x < 900 && y > 0 && y < 700).toBe(true);
  }
  const nearer = zoomed(view, 2, 300, 200);
  expect(nearer.zoom).toBeCloseTo(2 * view.zoom);
  const [[x1, y1], [x2, y2]] = [toPlace(view, 300, 200), toPlace(nearer, 300, 200)];
  expect([x2, y2].map((one) => Math.round(one * 1e6))).toEqual([x1, y1].map((one) => Math.round(one * 1e6)));
});

test("keys walk to the neighbours", () => {
  const given = places(), layout = layoutOf(given, all(given), 3, 4, ROOM);
  const start = layout.shown[0]!;
  const right = neighbour(layout, start, 1, 0);
  expect(layout.y[right]).toBe(layout.y[start]);
  expect(layout.x[right]).toBeGreaterThan(layout.x[start]!);
  expect(neighbour(layout, right, -1, 0)).toBe(start);
  const up = neighbour(layout, start, 0, 1);
  expect(layout.y[up]).toBeLessThan(layout.y[start]!);
  const target = given.kind.length - 7;
  expect(given.kind[target]).toBe(LOGIT);
  expect(neighbour(layout, target, 0, 1)).toBe(target);
});
