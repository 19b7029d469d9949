import { useEffect, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { StreamClient } from "stepcast";
import { define } from "stepcast/monitor";

define();

// A client for as long as the component is there.
function useRun(url, executionId) {
  const [client, setClient] = useState();
  useEffect(() => {
    const client = new StreamClient({ url, executionId });
    client.start();
    setClient(client);
    return () => client.close();
  }, [url, executionId]);
  return client;
}

function Count({ client }) {
  const view = useSyncExternalStore(client.subscribe, client.view);
  return <p id="count">{view?.events ?? 0}</p>;
}

function App({ src, id }) {
  const [said, setSaid] = useState("");
  const client = useRun(src, id);
  return (
    <>
      <streaming-pipeline-monitor src={src} execution-id={id} onended={(event) => setSaid(event.detail.status)} />
      {client && <Count client={client} />}
      <p id="said">{said}</p>
    </>
  );
}

const asked = new URLSearchParams(location.search);
createRoot(document.getElementById("root")).render(<App src={asked.get("src")} id={asked.get("id")} />);
