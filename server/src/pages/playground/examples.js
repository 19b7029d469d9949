// What a query may begin with.
export const EXAMPLES = [
  {
    name: "List executions",
    query: `query List {
  executions(first: 20) {
    next
    executions { id pipeline status }
  }
}`,
    variables: {},
  },
  {
    name: "Start one",
    query: `mutation Start($pipeline: String, $input: JSON) {
  startExecution(pipeline: $pipeline, input: $input) { id status }
}`,
    variables: { pipeline: "hello", input: {} },
  },
  {
    name: "Follow one",
    query: `subscription Follow($id: ID!, $after: String) {
  executionEvents(id: $id, after: $after) {
    cursor
    events { seq type stepId timestamp data }
    gap { from to reason }
    end { lastSeq reason }
  }
}`,
    variables: { id: "exec_123" },
  },
  {
    name: "What waits for a person",
    query: `query Waiting {
  waits { id executionId prompt form }
}`,
    variables: {},
  },
  {
    name: "Answer",
    query: `mutation Answer($id: ID!, $wait: ID!, $answer: JSON!) {
  answerWait(executionId: $id, waitId: $wait, answer: $answer) { status answer by }
}`,
    variables: { id: "exec_123", wait: "review.1", answer: {} },
  },
  {
    name: "Cancel",
    query: `mutation Cancel($id: ID!) {
  cancelExecution(id: $id) { id status }
}`,
    variables: { id: "exec_123" },
  },
];
