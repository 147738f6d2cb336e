/** Points on a plane: which lie near, which lie inside a line that was drawn around them. */

export interface Plane {
  x: ArrayLike<number>;
  y: ArrayLike<number>;
}

export interface Grid {
  side: number;
  /** Where the points of each cell begin in `order`. */
  starts: Uint32Array;
  order: Uint32Array;
}

/** Points in cells of a square grid over [-1, 1]², so that the nearest is found without looking at all. */
export function gridOf(plane: Plane): Grid {
  const n = plane.x.length;
  const side = Math.max(1, Math.min(1024, Math.round(Math.sqrt(n / 4))));
  const starts = new Uint32Array(side * side + 1);
  const cells = new Uint32Array(n);
  for (let place = 0; place < n; place++) {
    const cell = cellAt(plane.y[place] as number, side) * side + cellAt(plane.x[place] as number, side);
    cells[place] = cell;
    starts[cell + 1]!++;
  }
  for (let cell = 0; cell < side * side; cell++) starts[cell + 1]! += starts[cell]!;
  const filled = starts.slice(0, -1);
  const order = new Uint32Array(n);
  for (let place = 0; place < n; place++) order[filled[cells[place]!]!++] = place;
  return { side, starts, order };
}

/** The point nearest to a place and not farther than `within`; -1 where there is none. */
export function nearest(plane: Plane, grid: Grid, x: number, y: number, within: number): number {
  const { side } = grid;
  let best = -1;
  let distance = within * within;
  for (let row = cellAt(y - within, side); row <= cellAt(y + within, side); row++) {
    for (let column = cellAt(x - within, side); column <= cellAt(x + within, side); column++) {
      const cell = row * side + column;
      for (let at = grid.starts[cell]!; at < grid.starts[cell + 1]!; at++) {
        const place = grid.order[at]!;
        const apart = (plane.x[place]! - x) ** 2 + (plane.y[place]! - y) ** 2;
        if (apart <= distance) {
          distance = apart;
          best = place;
        }
      }
    }
  }
  return best;
}

export type Polygon = readonly (readonly [number, number])[];

/** Whether a place lies inside a polygon, by counting the edges to its right. */
export function isInside(polygon: Polygon, x: number, y: number): boolean {
  let inside = false;
  for (let at = 0, before = polygon.length - 1; at < polygon.length; before = at++) {
    const [x1, y1] = polygon[at]!;
    const [x2, y2] = polygon[before]!;
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

/** The points inside a polygon, in their order. */
export function pointsInside(plane: Plane, polygon: Polygon): number[] {
  if (polygon.length < 3) return [];
  const left = Math.min(...polygon.map(([x]) => x)), right = Math.max(...polygon.map(([x]) => x));
  const low = Math.min(...polygon.map(([, y]) => y)), high = Math.max(...polygon.map(([, y]) => y));
  const found: number[] = [];
  for (let place = 0; place < plane.x.length; place++) {
    const x = plane.x[place]!, y = plane.y[place]!;
    if (x >= left && x <= right && y >= low && y <= high && isInside(polygon, x, y)) found.push(place);
  }
  return found;
}

/** A drawn line with at most so many corners, evenly taken. */
export function simplified(polygon: Polygon, most: number): Polygon {
  if (polygon.length <= most) return polygon;
  return Array.from({ length: most }, (_, place) => polygon[Math.floor((place * polygon.length) / most)]!);
}

/** A polygon as text for an address, and back. */
export function writePolygon(polygon: Polygon): string {
  return polygon.map(([x, y]) => `${x.toFixed(3)},${y.toFixed(3)}`).join("_");
}

export function readPolygon(text: string): Polygon {
  const points = text.split("_").map((pair) => pair.split(",").map(Number));
  const good = points.filter((pair): pair is [number, number] => pair.length === 2 && pair.every(Number.isFinite));
  return good.length >= 3 ? good : [];
}

function cellAt(value: number, side: number): number {
  return Math.min(side - 1, Math.max(0, Math.floor(((value + 1) / 2) * side)));
}
