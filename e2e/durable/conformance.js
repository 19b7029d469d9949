// Runs the suite against a server that is there already.

import { runConformanceTests } from "@durable-streams/server-conformance-tests";

runConformanceTests({ baseUrl: process.env.STEPCAST_URL });
