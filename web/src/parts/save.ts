/** Files that the page hands to the browser. */

/** Saves rows as a file of comma-separated values. */
export function saveCsv(name: string, columns: readonly string[], rows: readonly (readonly (string | number | null)[])[]): void {
  saveBlob(`${name}.csv`, new Blob([csv(columns, rows)], { type: "text/csv" }));
}

/** Rows as comma-separated values; a cell that a spreadsheet would take for a formula is kept as text. */
export function csv(columns: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Hands a file to the browser. */
export function saveBlob(name: string, blob: Blob): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
