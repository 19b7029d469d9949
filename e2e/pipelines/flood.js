// `node flood.js COUNT` writes that many events as fast as they are taken.

const count = Number(process.argv[2]);
for (let at = 1; at <= count; at += 1) {
  if (!process.stdout.write(`{"custom":{"at":${at}}}\n`)) {
    await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
}
process.stdout.write(`{"output":{"count":${count}}}\n`);
