import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

export default { output: "export", basePath: "/next/out", turbopack: { root }, outputFileTracingRoot: root };
