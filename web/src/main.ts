import { mount } from "svelte";
import "./design/tokens.css";
import "./design/base.css";
import App from "./app/App.svelte";
import { followLinks } from "./app/address.svelte";
import { listenForKeys } from "./app/keys.svelte";
import { startTheme } from "./app/theme.svelte";

startTheme();
followLinks();
listenForKeys();
mount(App, { target: document.body });
