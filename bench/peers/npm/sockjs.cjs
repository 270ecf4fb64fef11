const sockjs = require("sockjs");

require("./serve.cjs")("sockjs", (server) => {
  const clients = new Set();
  const live = sockjs.createServer({ heartbeat_delay: 1e9, log: () => {} });
  live.on("connection", (client) => {
    clients.add(client);
    client.on("close", () => clients.delete(client));
  });
  live.installHandlers(server, { prefix: "/live" });
  return (message) => {
    for (const client of clients) client.write(message);
  };
});
