/** Where the reader is: the path, and the query that holds the state of the view. Everything shown follows from it. */
import { root } from "./folder";
import { readQuery, writeQuery, type Query } from "./router";

type Values = Record<string, string | number | boolean | null | undefined>;

export const here = $state<{ path: string; query: Query }>(read());

function read(): { path: string; query: Query } {
  const { pathname, search } = window.location;
  return { path: `/${pathname.slice(root.length)}`, query: readQuery(search) };
}

function sync(): void {
  Object.assign(here, read());
}

/** The link to a page. */
export function href(path: string, query: Values = {}): string {
  return root + path.replace(/^\//, "") + writeQuery(query);
}

/** Goes to a page. */
export function go(path: string, query: Values = {}): void {
  window.history.pushState(null, "", href(path, query));
  window.scrollTo(0, 0);
  sync();
}

/** Changes some values of the query and keeps the rest; each step of typing replaces the one before. */
export function setQuery(changes: Values, options: { push?: boolean } = {}): void {
  const target = href(here.path, { ...here.query, ...changes });
  if (target === window.location.pathname + window.location.search) return;
  if (options.push) window.history.pushState(null, "", target);
  else window.history.replaceState(null, "", target);
  sync();
}

/** Makes links inside the app change the page without loading it anew. */
export function followLinks(): () => void {
  const onClick = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (!link.pathname.startsWith(root) || link.pathname.startsWith(`${root}api/`)) return;
    event.preventDefault();
    go(`/${link.pathname.slice(root.length)}`, readQuery(link.search));
  };
  document.addEventListener("click", onClick);
  window.addEventListener("popstate", sync);
  return () => {
    document.removeEventListener("click", onClick);
    window.removeEventListener("popstate", sync);
  };
}
