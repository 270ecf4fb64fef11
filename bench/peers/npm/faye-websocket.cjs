const WebSocket = require("faye-websocket");

require("./serve.cjs")("faye-websocket", (server) => {
  const clients = new Set();
  server.on("upgrade", (request, socket, head) => {
    const client = new WebSocket(request, socket, head);
    clients.add(client);
    client.on("close", () => clients.delete(client));
  });
  return (message) => {
    for (const client of clients) client.send(message);
  };
});
