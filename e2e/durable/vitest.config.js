// The conformance suite of Durable Streams is written for this runner.

export default {
  test: { include: ["conformance.js"], exclude: [], testTimeout: 60_000, maxConcurrency: 20 },
};
