// A program that talks: `node talk.js LINES PAUSE_MS` writes tokens, progress and an output.

const [lines, pause] = process.argv.slice(2).map(Number);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (let line = 1; line <= lines; line += 1) {
  say({ token: `word${line} ` });
  say({ progress: line / lines, message: `${line} of ${lines}` });
  await new Promise((resolve) => setTimeout(resolve, pause));
}
say({ output: { lines } });
