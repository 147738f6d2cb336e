/** A page of chosen features as one file that needs no server. */
import { postForFile } from "../../api/client";
import { asProblem } from "../../api/problem";
import { say } from "../../app/toasts.svelte";
import { saveBlob } from "../../parts/save";

export const MOST_EXPORTED = 200;

/** Saves the features as one HTML file. */
export async function exportFeatures(dictionary: string, features: readonly number[]): Promise<void> {
  const chosen = features.slice(0, MOST_EXPORTED);
  try {
    const file = await postForFile("/api/dictionaries/{dictionary}/export", { path: { dictionary }, body: { features: chosen } });
    saveBlob(chosen.length === 1 ? `${dictionary}-${chosen[0]}.html` : `${dictionary}-${chosen.length}-features.html`, file);
    if (chosen.length < features.length) say(`The file holds the first ${MOST_EXPORTED} of ${features.length} features.`);
  } catch (thrown) {
    say(asProblem(thrown).message, "bad");
  }
}
