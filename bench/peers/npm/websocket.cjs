const { server: WebSocketServer } = require("websocket");

require("./serve.cjs")("websocket", (httpServer) => {
  const sockets = new WebSocketServer({ httpServer, autoAcceptConnections: true, keepalive: false });
  return (message) => sockets.broadcastUTF(message);
});
