import { define } from "stepcast/monitor";
import { mount } from "svelte";

import App from "./App.svelte";

define();

const asked = new URLSearchParams(location.search);
const props = { src: asked.get("src"), id: asked.get("id") };
mount(App, { target: document.getElementById("app"), props });
