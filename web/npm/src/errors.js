// What can go wrong, by `code`.

export class StreamError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "StreamError";
    this.code = code;
  }
}

export class StreamRefusedError extends StreamError {
  constructor(status) {
    super("refused", `the server refused the stream with status ${status}`);
    this.name = "StreamRefusedError";
    this.status = status;
  }
}
