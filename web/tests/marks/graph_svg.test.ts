import { expect, test } from "vitest";
import { FEATURE, layoutOf, LOGIT, TOKEN, wholeView } from "../../src/marks/graph";
import type { Drawing, GraphColours } from "../../src/marks/graph_drawing";
import { svgOf } from "../../src/marks/graph_svg";

const COLOURS = Object.fromEntries(["ground", "raised", "sunk", "ink", "quiet", "faint", "edge", "accent", "wash", "cold", "plus", "minus"].map((name, at) => [name, `#0000${String(at).padStart(2, "0")}`])) as unknown as GraphColours;

test("the file has a shape for each node, a curve for each edge, and names that are only text", () => {
  const kind = [FEATURE, FEATURE, LOGIT, TOKEN], layer = [0, 1, -1, -1], position = [0, 0, 0, 0];
  const layout = layoutOf({ kind, layer, position, influence: [1, 1, 0, 1] }, [1, 1, 1, 1], 2, 1, { width: 300, height: 300 });
  const edges = { source: [3, 0, 1], target: [0, 1, 2], weight: [1, -1, 1], share: [1, 0.1, 0.02] };
  const drawing: Drawing = { layout, kind, heat: [0, 1, 0, 0], edges, strongest: [0, 1, 2], tokens: ["<b>"], colours: COLOURS, font: "11px sans" };
  const emphasis = { chosen: -1, hovered: -1, pinned: [0], path: [3, 0], labels: [[2, "<script>"]] as const, edgesOf: () => [] };
  const text = svgOf(drawing, emphasis, wholeView(layout, 340, 340), { width: 340, height: 340 });
  // Two features and the ring around the pinned one; three edges and one piece of the path.
  expect(text.match(/<circle/g)).toHaveLength(3);
  expect(text.match(/<path/g)).toHaveLength(4);
  expect(text).toContain("&lt;script&gt;");
  expect(text).toContain("&lt;b&gt;");
  expect(text).not.toContain("<script>");
});
