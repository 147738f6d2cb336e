/** Numbers and tokens as people read them, the same as on hooke's printed pages. */

const MINUS = "\u2212";
const PICTURES: Record<string, string> = { "\n": "↵", "\t": "→", "\x7f": "␡" };
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Longest stretch of one token or line that is drawn; what is beyond is counted instead. */
const LONGEST = 4000;

/** A number to a few significant digits; a dash where there is none. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return minus(Math.round(value).toLocaleString("en-US"));
  if (size < 1e-4) return minus(value.toExponential(digits - 1));
  return minus(String(Number(value.toPrecision(digits))));
}

/** A number with a fixed count of decimals; what rounds to zero has no sign. */
export function fixed(value: number | null | undefined, decimals = 2): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = value.toFixed(decimals);
  return minus(Number(text) === 0 ? (0).toFixed(decimals) : text);
}

/** A number with a fixed count of decimals and its sign. */
export function signed(value: number, decimals = 2): string {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : minus(value > 0 ? `+${text}` : text);
}

/** A share in percent, with digits enough to tell rare from never. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  if (share === 0) return "0 %";
  const percents = share * 100;
  return `${minus(Math.abs(share) >= 0.001 ? percents.toFixed(1) : String(Number(percents.toPrecision(2))))} %`;
}

/** A size in bytes. */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (size >= 1000 && step < units.length - 1) {
    size /= 1000;
    step += 1;
  }
  return `${step === 0 ? size : Number(size.toPrecision(3))} ${units[step]}`;
}

/** A stretch of time in seconds as words: 3 s, 4 min, 2 h 5 min. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** Text with nothing in it that acts on its surroundings: line ends, controls and marks of direction become pictures. */
export function visible(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${number(text.length)} characters)` : text;
  return short.replace(ACTS, (character) => (character === "\u200d" ? character : picture(character)));
}

/** A token by itself: its spaces are shown, since ' the' and 'the' are two tokens. */
export function tokenText(text: string): string {
  return visible(text).replaceAll(" ", "␣");
}

function picture(character: string): string {
  const known = PICTURES[character];
  if (known) return known;
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `‹${code.toString(16).padStart(4, "0")}›`;
}

function minus(text: string): string {
  return text.replaceAll("-", MINUS);
}

/** A moment given in seconds since 1970, as date and time of this place. */
export function when(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  const at = new Date(seconds * 1000);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
