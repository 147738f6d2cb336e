/** What a page says while its request waits for its turn at the model. */
export function waitingWords(place: number): string {
  return place > 0 ? `Model busy: place ${place} in its queue` : "Waiting for the model, which is loaded first where it is not in memory";
}
