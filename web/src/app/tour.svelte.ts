/** The first-run tour: five steps over the pages, on the starter dictionary. Where the reader is in it is kept in the browser. */

export interface Step {
  title: string;
  text: string;
  path: string;
  query: Record<string, string>;
}

const KEY = "hooke-tour";
/** What the tour looks for: the starter's features of it are easily read in any language. */
export const SOUGHT = "music";

class Tour {
  /** The step that is shown; -1 while there is none. */
  at = $state(-1);
  dictionary = $state("");
  feature = $state(0);

  constructor() {
    const [at, feature, dictionary] = (window.sessionStorage.getItem(KEY) ?? "").split(" ");
    if (dictionary) Object.assign(this, { at: Number(at), feature: Number(feature), dictionary });
  }

  /** Whether the tour was taken or sent away before. */
  get isKnown(): boolean {
    return window.localStorage.getItem(KEY) === "known";
  }

  get steps(): Step[] {
    return stepsOf(this.dictionary, this.feature);
  }

  /** Begins at the first step; `feature` is the one that is looked at closely. */
  start(dictionary: string, feature: number): void {
    this.dictionary = dictionary;
    this.feature = feature;
    this.#go(0);
  }

  move(by: number): void {
    this.#go(this.at + by);
  }

  end(): void {
    window.localStorage.setItem(KEY, "known");
    this.#go(-1);
  }

  #go(at: number): void {
    this.at = at;
    if (at < 0) window.sessionStorage.removeItem(KEY);
    else window.sessionStorage.setItem(KEY, `${at} ${this.feature} ${this.dictionary}`);
  }
}

export const tour = new Tour();

/** The steps on a dictionary, about one of its features. */
export function stepsOf(dictionary: string, feature: number): Step[] {
  const base = `/d/${encodeURIComponent(dictionary)}`;
  return [
    {
      title: "Find",
      path: base,
      query: { q: SOUGHT },
      text: "Each row is a feature: a direction inside the model that fires on some kinds of text. Here are those whose labels speak of music. The other modes search by meaning, by a text that fires features, by a token that they move, and in the text of examples.",
    },
    {
      title: "Read",
      path: `${base}/f/${feature}`,
      query: {},
      text: "One feature. The texts are what fires it, from the strongest down to the weakest fifth; the darker and the more underlined, the stronger. The label was counted from them, and its score was measured on tokens that it was not made from.",
    },
    {
      title: "Try",
      path: `${base}/f/${feature}`,
      query: { try: "The orchestra played all night, and nobody wanted the music to end." },
      text: "Type a text of your own into the box and see where the feature fires, and how that compares with all that it does on the corpus.",
    },
    {
      title: "Steer",
      path: `${base}/f/${feature}`,
      query: { steer: "1" },
      text: "Push the model along the feature while it writes (on the right). Beside the steered text stand the model as it is, and a push of the same size along a random direction: what the random one does too, the feature does not explain.",
    },
    {
      title: "See it all",
      path: `${base}/map`,
      query: {},
      text: "All features on one plane: those that write alike lie together. Draw a line around some to list them. From here on, Prompt takes a text of yours apart, layer by layer.",
    },
  ];
}
