/** The folder that the app is served from, with its slashes: more than "/" behind a proxy that gives it a part of a site. */
const written = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="hooke-root"]')?.content ?? "/";
/** "./" stands where no server wrote the folder: in the development server. */
export const root = written === "./" ? "/" : written;
