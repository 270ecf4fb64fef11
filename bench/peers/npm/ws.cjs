const { WebSocketServer } = require("ws");

require("./serve.cjs")("ws", (server) => {
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  return (message) => {
    const bytes = Buffer.from(message); // encoded once, not once a client
    for (const client of sockets.clients) client.send(bytes, { binary: false });
  };
});
