// Counts the letters of a text; draws them as an SVG, and gives the counts as a JSON file. Node alone, no packages.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// whole under its name, or not there: another run of this example may be at work beside this one
function write(name, content) {
  mkdirSync("out", { recursive: true });
  const unfinished = `out/.${process.pid}.${name}`;
  writeFileSync(unfinished, content);
  renameSync(unfinished, `out/${name}`);
  say({ artifact: `out/${name}` });
}

const { config } = JSON.parse(await text(process.stdin));
const letters = [..."abcdefghijklmnopqrstuvwxyz"];
const read = config.settings.text.toLowerCase();
const counts = letters.map((letter) => [letter, read.split(letter).length - 1]);
say({ progress: 0.5, message: "counted" });

const most = Math.max(1, ...counts.map(([, count]) => count));
const bars = counts.map(([letter, count], at) => {
  const [x, height] = [20 + at * 24, (count / most) * 160];
  return `<rect x="${x}" y="${180 - height}" width="18" height="${height}"/><text x="${x + 9}" y="196">${letter}</text>`;
});
const style = "rect{fill:#2f6fdb}text{font:12px sans-serif;text-anchor:middle;fill:#555}";
write(
  "letters.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 664 204"><style>${style}</style>${bars.join("")}</svg>\n`,
);
write("letters.json", `${JSON.stringify(Object.fromEntries(counts), null, 2)}\n`);
say({ progress: 1, message: "drawn" });
say({ output: { most: counts.reduce((a, b) => (b[1] > a[1] ? b : a))[0] } });
