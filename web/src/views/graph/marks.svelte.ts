/** What a person did to a graph: pinned nodes and groups, every step of it undoable, kept in the graph's file. */
import { put, type Schemas } from "../../api/client";
import { asProblem } from "../../api/problem";
import { say } from "../../app/toasts.svelte";

export interface Group {
  name: string;
  nodes: readonly string[];
}

export interface Marked {
  pinned: readonly string[];
  groups: readonly Group[];
}

const PATIENCE_MS = 500;
const MOST_STEPS = 200;

export class GraphMarks {
  now = $state.raw<Marked>({ pinned: [], groups: [] });
  #past = $state.raw<readonly Marked[]>([]);
  #future = $state.raw<readonly Marked[]>([]);
  /** saved: the file has them; waiting: it will in a moment; unsaved: they came with the address, or could not be kept. */
  state = $state<"saved" | "waiting" | "unsaved">("saved");
  #timer = 0;
  #graph: string;
  #changed: (pinned: readonly string[]) => void;

  /** `pinned` are pins of the address, which go before those of the file. */
  constructor(graph: Schemas["GraphOut"], pinned: readonly string[] | null, changed: (pinned: readonly string[]) => void) {
    this.#graph = graph.id;
    this.#changed = changed;
    this.now = { pinned: pinned ?? graph.pinned, groups: graph.supernodes.map((one) => ({ ...one })) };
    if (pinned && pinned.join() !== graph.pinned.join()) this.state = "unsaved";
  }

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  togglePin(node: string): void {
    const { pinned, groups } = this.now;
    const isPinned = pinned.includes(node);
    // A node that is taken out of the pinned ones leaves its group, too.
    const left = isPinned ? groups.map((one) => ({ ...one, nodes: one.nodes.filter((other) => other !== node) })).filter((one) => one.nodes.length > 0) : groups;
    this.#set({ pinned: isPinned ? pinned.filter((one) => one !== node) : [...pinned, node], groups: left });
  }

  /** Puts nodes together; those that are in other groups leave them. */
  group(name: string, nodes: readonly string[]): void {
    const gone = new Set(nodes);
    const others = this.now.groups.map((one) => ({ ...one, nodes: one.nodes.filter((node) => !gone.has(node)) })).filter((one) => one.nodes.length > 0 && one.name !== name);
    const before = this.now.groups.find((one) => one.name === name)?.nodes ?? [];
    const pinned = [...this.now.pinned, ...nodes.filter((node) => !this.now.pinned.includes(node))];
    this.#set({ pinned, groups: [...others, { name, nodes: [...before.filter((node) => !gone.has(node)), ...nodes] }] });
  }

  ungroup(name: string): void {
    this.#set({ ...this.now, groups: this.now.groups.filter((one) => one.name !== name) });
  }

  clear(): void {
    this.#set({ pinned: [], groups: [] });
  }

  undo(): void {
    const before = this.#past.at(-1);
    if (!before) return;
    this.#future = [...this.#future, this.now];
    this.#past = this.#past.slice(0, -1);
    this.#show(before);
  }

  redo(): void {
    const next = this.#future.at(-1);
    if (!next) return;
    this.#past = [...this.#past, this.now];
    this.#future = this.#future.slice(0, -1);
    this.#show(next);
  }

  #set(next: Marked): void {
    this.#past = [...this.#past, this.now].slice(-MOST_STEPS);
    this.#future = [];
    this.#show(next);
  }

  #show(next: Marked): void {
    this.now = next;
    this.#changed(next.pinned);
    this.state = "waiting";
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.#save(), PATIENCE_MS);
  }

  async #save(): Promise<void> {
    const kept = this.now;
    const supernodes = kept.groups.map((one) => ({ name: one.name, nodes: [...one.nodes] }));
    try {
      await put("/api/graphs/{graph}/marks", { path: { graph: this.#graph }, body: { pinned: [...kept.pinned], supernodes } });
      if (this.now === kept) this.state = "saved";
    } catch (thrown) {
      if (this.now !== kept) return;
      this.state = "unsaved";
      say(`Pins and groups are not kept: ${asProblem(thrown).message}`, "bad");
    }
  }
}
