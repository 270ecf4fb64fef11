const { Server } = require("socket.io");

// Pings are put off, as they are for Athena; no compression is the default.
require("./serve.cjs")("socket.io", (server) => {
  const io = new Server(server, { transports: ["websocket"], pingInterval: 1e9, serveClient: false });
  return (message) => io.emit("change", message);
});
