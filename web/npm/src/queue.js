// The events that one reader has not taken yet.

export class Queue {
  #waiting = [];
  #at = 0;
  #ended = false;
  #error;
  #wake = () => {};
  #taken;

  // `taken` is called when events have been taken.
  constructor(taken) {
    this.#taken = taken;
  }

  get length() {
    return this.#waiting.length - this.#at;
  }

  push(events) {
    if (this.#at > 0) {
      this.#waiting.splice(0, this.#at);
      this.#at = 0;
    }
    for (const event of events) this.#waiting.push(event);
    this.#wake();
  }

  end(error) {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
  }

  async *events() {
    for (;;) {
      while (this.#at < this.#waiting.length) {
        const event = this.#waiting[this.#at];
        this.#waiting[this.#at] = undefined;
        this.#at += 1;
        yield event;
        this.#taken();
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
