/** The rows of the features page: a listing, a search or a list of the reader's, one page after the other. */
import { get, post, type Schemas } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import { Request } from "../../app/request.svelte";
import type { Query } from "../../app/router";
import { listOf, modeOf, sortOf, type TextSort } from "./filters";

export type Row = Omit<Schemas["FeatureRow"], "source" | "part"> & { source: string; part: string; hit: Schemas["HitDetail"] | null };

export interface Rows {
  items: Row[];
  next: string | null;
  total: number;
  isBounded: boolean;
  n: number | null;
  hidden: Schemas["Hidden"][];
  facets: Schemas["Facet"][];
  note: string;
  tookMs: number | null;
  jump: number | null;
}

const FIRST = 60, LATER = 120;

export class FeatureRows {
  readonly first: Request<Rows>;
  more = $state.raw<Row[]>([]);
  moreProblem = $state.raw<Problem | null>(null);
  #next: string | null = null;
  #isLoadingMore = false;
  #round = 0;
  readonly #ask: (cursor: string | undefined, signal?: AbortSignal) => Promise<Rows>;

  /** Must be made while a component is set up; asks anew when the dictionary or the query changes. */
  constructor(dictionary: () => string, query: () => Query) {
    this.#ask = (cursor, signal) => rowsOf(dictionary(), query(), cursor, signal);
    this.first = new Request(async (signal) => {
      const round = ++this.#round;
      const rows = await this.#ask(undefined, signal);
      if (round === this.#round) {
        this.more = [];
        this.moreProblem = null;
        this.#next = rows.next;
      }
      return rows;
    });
  }

  get items(): Row[] {
    return [...(this.first.data?.items ?? []), ...this.more];
  }

  /** The next page, once: while one is under way, another is not asked for. */
  loadMore = async (): Promise<void> => {
    const cursor = this.#next;
    if (cursor === null || this.#isLoadingMore || this.first.isLoading) return;
    this.#isLoadingMore = true;
    const round = this.#round;
    try {
      const rows = await this.#ask(cursor);
      if (round !== this.#round) return;
      this.more = [...this.more, ...rows.items];
      this.#next = rows.next;
      this.moreProblem = null;
    } catch (thrown) {
      if (round === this.#round) this.moreProblem = asProblem(thrown);
    } finally {
      this.#isLoadingMore = false;
    }
  };
}

async function rowsOf(dictionary: string, query: Query, cursor?: string, signal?: AbortSignal): Promise<Rows> {
  const path = { dictionary };
  if (query.list) return chosen(dictionary, listOf(query), signal);
  const limit = cursor ? LATER : FIRST;
  if (query.q?.trim()) {
    const found = await get("/api/dictionaries/{dictionary}/search", {
      path,
      signal,
      query: {
        q: query.q,
        mode: modeOf(query),
        sort: (query.tsort as TextSort | undefined) ?? "score",
        direction: query.direction === "suppressed" ? "suppressed" : "promoted",
        max_density: query.max_density ? Number(query.max_density) : undefined,
        cursor,
        limit,
      },
    });
    return {
      items: found.items.map((item) => ({ ...item, source: "", part: "" })),
      next: found.next, total: found.total, isBounded: found.is_bounded, n: null, hidden: found.hidden, facets: [],
      note: found.note, tookMs: found.took_ms, jump: found.jump,
    };
  }
  const { sort, descending } = sortOf(query);
  const number = (text: string | undefined): number | undefined => (text ? Number(text) : undefined);
  const listed = await get("/api/dictionaries/{dictionary}/features", {
    path,
    signal,
    query: {
      sort, descending, cursor, limit,
      min_density: number(query.min_density), max_density: number(query.max_density), min_max: number(query.min_max), min_score: number(query.min_score),
      kind: query.kind, source: query.source, part: query.part, alive: query.alive ? query.alive === "true" : undefined,
    },
  });
  return {
    items: listed.items.map((item) => ({ ...item, hit: null })),
    next: listed.next, total: listed.total, isBounded: false, n: listed.n_features, hidden: listed.hidden, facets: listed.facets,
    note: "", tookMs: null, jump: null,
  };
}

/** Rows of a list of the reader's. */
async function chosen(dictionary: string, features: readonly number[], signal?: AbortSignal): Promise<Rows> {
  const { items } = features.length === 0 ? { items: [] } : await post("/api/dictionaries/{dictionary}/rows", { path: { dictionary }, body: { features: [...features] }, signal });
  const rows = items.map((item): Row => ({ ...item, hit: null }));
  return { items: rows, next: null, total: rows.length, isBounded: false, n: null, hidden: [], facets: [], note: "", tookMs: null, jump: null };
}
