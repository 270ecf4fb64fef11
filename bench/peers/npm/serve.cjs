// What the peers have in common: an HTTP server, where each line of a POST is a message for every client.
// POST /settle collects garbage, so that memory is measured at its best.
const http = require("node:http");

// `attach` puts a WebSocket server of some sort on the HTTP server and returns how to send a text to all its clients.
module.exports = (name, attach) => {
  const server = http.createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    if (request.url === "/settle") global.gc();
    for (const message of Buffer.concat(pieces).toString().split("\n").filter(Boolean)) broadcast(message);
    response.setHeader("content-length", 2);
    response.end("ok");
  });
  const broadcast = attach(server);
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1", 4096, () => {
    console.log(`${name} is listening on http://127.0.0.1:${server.address().port}`);
  });
};
