/** Requests to the server. Paths, parameters and answers are typed by its schema. */
import { lost, reached } from "../app/connection.svelte";
import { root } from "../app/folder";
import { fill } from "../app/router";
import { readArrays, type Arrays } from "./arrays";
import { Problem, readProblem } from "./problem";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

type Method = "get" | "post" | "put" | "delete";
type PathsWith<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
type Operation<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never;
type Answers<O> = O extends { responses: infer R } ? R : never;
type Json<R> = R extends { content: { "application/json": infer B } } ? B : undefined;
type AnswerOf<O> = {
  [S in keyof Answers<O>]: S extends 200 | 201 | 202 | 204 ? Json<Answers<O>[S]> : never;
}[keyof Answers<O>];
type PathOf<O> = O extends { parameters: { path: infer T } } ? { path: T } : { path?: undefined };
type QueryOf<O> = O extends { parameters: { query: infer T } } ? { query: T } : O extends { parameters: { query?: infer T } } ? { query?: T } : { query?: undefined };
type BodyOf<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? { body: B } : { body?: undefined };
type Asked<O> = PathOf<O> & QueryOf<O> & BodyOf<O> & { signal?: AbortSignal };
type Loose = { path?: unknown; query?: unknown; body?: unknown; signal?: AbortSignal };

/** The answer to a GET. */
export async function get<P extends PathsWith<"get">>(path: P, asked: Asked<Operation<P, "get">>): Promise<AnswerOf<Operation<P, "get">>> {
  return (await json(await request("GET", path, asked as Loose))) as AnswerOf<Operation<P, "get">>;
}

/** The answer to a POST. */
export async function post<P extends PathsWith<"post">>(path: P, asked: Asked<Operation<P, "post">>): Promise<AnswerOf<Operation<P, "post">>> {
  return (await json(await request("POST", path, asked as Loose))) as AnswerOf<Operation<P, "post">>;
}

/** The answer to a PUT. */
export async function put<P extends PathsWith<"put">>(path: P, asked: Asked<Operation<P, "put">>): Promise<AnswerOf<Operation<P, "put">>> {
  return (await json(await request("PUT", path, asked as Loose))) as AnswerOf<Operation<P, "put">>;
}

/** Deletes something. */
export async function remove<P extends PathsWith<"delete">>(path: P, asked: Asked<Operation<P, "delete">>): Promise<void> {
  await request("DELETE", path, asked as Loose);
}

/** Arrays by name, from a GET that answers in the layout of safetensors. */
export async function getArrays<P extends PathsWith<"get">>(path: P, asked: Asked<Operation<P, "get">>): Promise<Arrays> {
  const response = await request("GET", path, asked as Loose);
  return readArrays(await response.arrayBuffer());
}

/** A file, from a POST that answers with one. */
export async function postForFile<P extends PathsWith<"post">>(path: P, asked: Asked<Operation<P, "post">>): Promise<Blob> {
  return (await request("POST", path, asked as Loose)).blob();
}

/** A request whose answer is read by the caller. Throws a `Problem`; an abort is thrown as it is. */
export async function request(method: string, path: string, asked: Loose): Promise<Response> {
  const url = new URL(root + fill(path, (asked.path ?? {}) as Record<string, string>).slice(1), window.location.origin);
  for (const [name, value] of Object.entries((asked.query ?? {}) as Record<string, unknown>)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) url.searchParams.append(name, String(one));
  }
  const headers: Record<string, string> = method === "GET" ? {} : { "X-Hooke": "1" };
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
  const response = await reach(url, { method, headers, body, signal: asked.signal, credentials: "same-origin" });
  if (!response.ok) throw await readProblem(response);
  return response;
}

async function reach(url: URL, options: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, options);
    reached();
    return response;
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown;
    lost();
    throw new Problem({ status: 0, title: "The server does not answer", hint: "It may have been stopped. Start it with: hooke serve" });
  }
}

async function json(response: Response): Promise<unknown> {
  return response.status === 204 ? undefined : response.json();
}
