/** Up to a million points drawn by WebGL2: one buffer, one draw call. What lies where is plane.ts's business. */

export interface View {
  /** The middle of what is shown, in the plane's units. */
  x: number;
  y: number;
  /** 1 shows all of [-1, 1]² and a margin. */
  zoom: number;
}

const VERTEX = `#version 300 es
in vec2 place; in vec4 colour; in float big;
uniform vec2 middle; uniform vec2 scale; uniform float size;
out vec4 ink;
void main() { gl_Position = vec4((place - middle) * scale, 0.0, 1.0); gl_PointSize = size * (1.0 + big); ink = colour; }`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink; out vec4 shown;
void main() {
  float edge = length(gl_PointCoord - 0.5) * 2.0;
  float cover = 1.0 - smoothstep(0.75, 1.0, edge);
  if (cover <= 0.0) discard;
  shown = vec4(ink.rgb * ink.a * cover, ink.a * cover);
}`;

export interface Scatter {
  /** Places, colours (four bytes a point) and which points are drawn larger (one byte a point, 0 to 2). */
  set(x: Float32Array, y: Float32Array, colours: Uint8Array, big: Uint8Array): void;
  draw(view: View): void;
  free(): void;
}

/** Points on a canvas; null where the browser has no WebGL2. */
export function scatterOn(canvas: HTMLCanvasElement): Scatter | null {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) return null;
  const program = linked(gl);
  const buffers = { places: gl.createBuffer(), colours: gl.createBuffer(), bigs: gl.createBuffer() };
  const at = (name: string): WebGLUniformLocation | null => gl.getUniformLocation(program, name);
  const uniforms = { middle: at("middle"), scale: at("scale"), size: at("size") };
  let n = 0;

  function fill(buffer: WebGLBuffer | null, name: string, data: Float32Array | Uint8Array, width: number): void {
    const location = gl!.getAttribLocation(program, name);
    gl!.bindBuffer(gl!.ARRAY_BUFFER, buffer);
    gl!.bufferData(gl!.ARRAY_BUFFER, data, gl!.STATIC_DRAW);
    gl!.enableVertexAttribArray(location);
    const isFloat = data instanceof Float32Array;
    gl!.vertexAttribPointer(location, width, isFloat ? gl!.FLOAT : gl!.UNSIGNED_BYTE, width === 4, 0, 0);
  }

  return {
    set(x, y, colours, big) {
      n = x.length;
      const places = new Float32Array(2 * n);
      for (let place = 0; place < n; place++) {
        places[2 * place] = x[place]!;
        places[2 * place + 1] = y[place]!;
      }
      fill(buffers.places, "place", places, 2);
      fill(buffers.colours, "colour", colours, 4);
      fill(buffers.bigs, "big", big, 1);
    },
    draw(view) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.useProgram(program);
      const [sx, sy] = scaleOf(view, canvas.width, canvas.height);
      gl.uniform2f(uniforms.middle, view.x, view.y);
      gl.uniform2f(uniforms.scale, sx, sy);
      gl.uniform1f(uniforms.size, pointSize(n, canvas.width, canvas.height, view.zoom));
      gl.drawArrays(gl.POINTS, 0, n);
    },
    free() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

const MARGIN = 1.06;

/** How far one unit of the plane goes in clip space, across and up. */
export function scaleOf(view: View, width: number, height: number): [number, number] {
  const side = Math.min(width, height);
  return [(view.zoom * side) / (width * MARGIN), (view.zoom * side) / (height * MARGIN)];
}

/** The place on the plane under a pixel. */
export function placeAt(view: View, px: number, py: number, width: number, height: number): [number, number] {
  const [sx, sy] = scaleOf(view, width, height);
  return [view.x + ((px / width) * 2 - 1) / sx, view.y + (1 - (py / height) * 2) / sy];
}

/** The pixel at a place of the plane. */
export function pixelAt(view: View, x: number, y: number, width: number, height: number): [number, number] {
  const [sx, sy] = scaleOf(view, width, height);
  return [(((x - view.x) * sx + 1) / 2) * width, ((1 - (y - view.y) * sy) / 2) * height];
}

/** The diameter of a point in pixels: many points are small ones, and zooming in lets them grow a little. */
export function pointSize(n: number, width: number, height: number, zoom: number): number {
  const share = Math.sqrt((width * height) / Math.max(n, 1));
  return Math.min(14, Math.max(1.5, share * 0.4) * Math.sqrt(zoom));
}

/** Colours for shares between 0 and 1, from a quiet colour to a loud one; what is not a number gets the quiet one, fainter. */
export function ramp(shares: ArrayLike<number>, low: readonly number[], high: readonly number[]): Uint8Array {
  const colours = new Uint8Array(4 * shares.length);
  for (let place = 0; place < shares.length; place++) {
    const share = Math.min(1, Math.max(0, shares[place]!));
    const known = share === share;
    for (let channel = 0; channel < 3; channel++) {
      const from = low[channel]!, to = high[channel]!;
      colours[4 * place + channel] = known ? Math.round(from + (to - from) * share) : from;
    }
    colours[4 * place + 3] = known ? 215 : 90;
  }
  return colours;
}

/** The channels of a colour such as #0c5c56. */
export function channels(hex: string): [number, number, number] {
  // The build shortens #ffffff to #fff.
  const digits = hex.trim().slice(1);
  const value = Number.parseInt(digits.length === 3 ? digits.replace(/./g, "$&$&") : digits, 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function linked(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("The browser's WebGL has gone away.");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(`The points cannot be drawn: ${gl.getProgramInfoLog(program) ?? ""}`);
  return program;
}
