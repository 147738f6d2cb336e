/** What a reviewer may say of a finding. */
export const OPINIONS = [
  { name: "right", says: "true alarm" },
  { name: "wrong", says: "false alarm" },
  { name: "unsure", says: "unsure" },
] as const;

export function wordOf(opinion: string): string {
  return OPINIONS.find((one) => one.name === opinion)?.says ?? opinion;
}
