import Run from "./run.jsx";

// rendered on the server first: the package may be imported there
export default function Page() {
  return <Run />;
}
