/** Features that the reader has picked, a list for each dictionary; it is kept in the browser. */

class Basket {
  features = $state.raw<readonly number[]>([]);
  readonly #key: string;

  constructor(dictionary: string) {
    this.#key = `hooke-list ${dictionary}`;
    try {
      const kept: unknown = JSON.parse(window.localStorage.getItem(this.#key) ?? "[]");
      if (Array.isArray(kept)) this.features = kept.filter((one): one is number => Number.isInteger(one));
    } catch {
      window.localStorage.removeItem(this.#key);
    }
  }

  has(feature: number): boolean {
    return this.features.includes(feature);
  }

  toggle(feature: number): void {
    this.set(this.has(feature) ? this.features.filter((one) => one !== feature) : [...this.features, feature]);
  }

  add(features: readonly number[]): void {
    this.set([...new Set([...this.features, ...features])]);
  }

  set(features: readonly number[]): void {
    this.features = features;
    window.localStorage.setItem(this.#key, JSON.stringify(features));
  }
}

const baskets = new Map<string, Basket>();

/** The list of a dictionary. */
export function basketOf(dictionary: string): Basket {
  let basket = baskets.get(dictionary);
  if (!basket) baskets.set(dictionary, (basket = new Basket(dictionary)));
  return basket;
}
