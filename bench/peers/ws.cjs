// A plain broadcast server with ws: what the lines of a POST say goes to every client, one message a line.
// POST /settle collects garbage, so that memory is measured at its best.
const http = require("node:http");
const { WebSocketServer } = require("ws");

const server = http.createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  if (request.url === "/settle") global.gc();
  const lines = Buffer.concat(pieces).toString().split("\n").filter(Boolean);
  for (const message of lines.map((line) => Buffer.from(line)))
    for (const client of sockets.clients) client.send(message, { binary: false });
  response.end("ok");
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
server.listen(0, "127.0.0.1", 4096, () => console.log(`ws is listening on http://127.0.0.1:${server.address().port}`));
