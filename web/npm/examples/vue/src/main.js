import { define } from "stepcast/monitor";
import { createApp } from "vue";

import App from "./App.vue";

define();

const asked = new URLSearchParams(location.search);
createApp(App, { src: asked.get("src"), id: asked.get("id") }).mount("#app");
