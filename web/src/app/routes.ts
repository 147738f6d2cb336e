/** The pages and their addresses. Each page is loaded when it is first shown. */
import type { Component } from "svelte";
import { match, type Params } from "./router";

export interface Route {
  name: string;
  pattern: string;
  load: () => Promise<{ default: Component<{ params: Params }> }>;
}

export const ROUTES: readonly Route[] = [
  { name: "home", pattern: "/", load: () => import("../views/home/Home.svelte") },
  { name: "features", pattern: "/d/{dictionary}", load: () => import("../views/features/Features.svelte") },
  { name: "map", pattern: "/d/{dictionary}/map", load: () => import("../views/map/Map.svelte") },
  { name: "feature", pattern: "/d/{dictionary}/f/{feature}", load: () => import("../views/feature/Feature.svelte") },
  { name: "prompt", pattern: "/p", load: () => import("../views/prompt/Prompt.svelte") },
  { name: "prompt", pattern: "/p/{prompt}", load: () => import("../views/prompt/Prompt.svelte") },
  { name: "steer", pattern: "/steer", load: () => import("../views/steer/Steer.svelte") },
  { name: "steer", pattern: "/steer/{recipe}", load: () => import("../views/steer/Steer.svelte") },
  { name: "graphs", pattern: "/graphs", load: () => import("../views/graphs/Graphs.svelte") },
  { name: "graph", pattern: "/g/{graph}", load: () => import("../views/graph/Graph.svelte") },
  { name: "patching", pattern: "/patching", load: () => import("../views/patching/Patching.svelte") },
  { name: "paths", pattern: "/patching/paths", load: () => import("../views/patching/Paths.svelte") },
  { name: "discovery", pattern: "/discovery", load: () => import("../views/discovery/Discoveries.svelte") },
  { name: "discovery", pattern: "/discovery/{discovery}", load: () => import("../views/discovery/Discovery.svelte") },
  { name: "heads", pattern: "/heads", load: () => import("../views/heads/Heads.svelte") },
  { name: "head", pattern: "/heads/{model}/{layer}/{head}", load: () => import("../views/heads/Head.svelte") },
  { name: "monitors", pattern: "/monitors", load: () => import("../views/monitors/Monitors.svelte") },
  { name: "monitor", pattern: "/monitors/{monitor}", load: () => import("../views/monitors/Monitor.svelte") },
  { name: "alert", pattern: "/alerts/{alert}", load: () => import("../views/alerts/Alert.svelte") },
  { name: "runs", pattern: "/runs", load: () => import("../views/runs/Runs.svelte") },
  { name: "runs", pattern: "/runs/{run}", load: () => import("../views/runs/Runs.svelte") },
  { name: "jobs", pattern: "/jobs", load: () => import("../views/jobs/Jobs.svelte") },
  { name: "health", pattern: "/health", load: () => import("../views/health/Health.svelte") },
  { name: "specimens", pattern: "/specimens", load: () => import("../views/specimens/Specimens.svelte") },
];

/** The page at a path with its parameters, or null where there is none. */
export function findRoute(path: string): { route: Route; params: Params } | null {
  for (const route of ROUTES) {
    const params = match(route.pattern, path);
    if (params) return { route, params };
  }
  return null;
}
