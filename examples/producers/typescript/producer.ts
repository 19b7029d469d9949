/** One execution. What gets lost on the way is sent again under the same number, and counts once. */
export class Producer {
  private seq = 0;

  private constructor(
    private readonly server: string,
    readonly id: string,
  ) {}

  static async create(server: string, pipeline: string, described: object = {}): Promise<Producer> {
    const producer = new Producer(server, `typescript_${crypto.randomUUID()}`);
    const body = { mode: "external", pipeline, execution_id: producer.id, ...described };
    await producer.post("", body, { "producer-id": producer.id });
    return producer;
  }

  async emit(event_type: string, step_id: string | null = null, data: object = {}): Promise<void> {
    const numbers = { "producer-id": this.id, "producer-epoch": "0", "producer-seq": String(this.seq) };
    await this.post(`/${this.id}/events`, { event_type, step_id, data }, numbers);
    this.seq += 1;
  }

  private async post(path: string, body: object, headers: Record<string, string>): Promise<void> {
    for (const pause of [100, 300, 1000, 3000, 10000, 0]) {
      const response = await fetch(`${this.server}/api/executions${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }).catch(() => null);
      if (response?.ok) return void (await response.arrayBuffer());
      const again = !response || response.status >= 500 || response.status === 429;
      if (!again || pause === 0) throw new Error(response ? await response.text() : "no answer");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
