"use client";

import { useEffect, useState, useSyncExternalStore } from "react";
import { StreamClient } from "stepcast";
import { define } from "stepcast/monitor";

const nothing = () => () => {};

export default function Run() {
  const [asked, setAsked] = useState();
  const [client, setClient] = useState();
  const [said, setSaid] = useState("");
  useEffect(() => {
    define();
    const { src, id } = Object.fromEntries(new URLSearchParams(location.search));
    const client = new StreamClient({ url: src, executionId: id });
    client.start();
    setAsked({ src, id });
    setClient(client);
    return () => client.close();
  }, []);
  const view = useSyncExternalStore(client?.subscribe ?? nothing, () => client?.view(), () => undefined);
  return (
    <>
      {asked && (
        <streaming-pipeline-monitor src={asked.src} execution-id={asked.id} onended={(event) => setSaid(event.detail.status)} />
      )}
      <p id="count">{view?.events ?? 0}</p>
      <p id="said">{said}</p>
    </>
  );
}
