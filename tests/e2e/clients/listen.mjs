// Listens to Athena with one of the WebSocket clients people use, for the end-to-end tests.
//
//   node listen.mjs ws|websocket|faye-websocket URL
//
// stdout: each received message as it came, one a line, and {"event":"open"}, {"event":"error","message":…},
//         {"event":"close","code":…}. Messages of Athena have no "event" member and no line breaks.
// stdin:  `send TEXT` and `close`, one a line. The end of stdin ends the process.
import { createInterface } from "node:readline";

const [library, url] = process.argv.slice(2);

const say = (value) => process.stdout.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);

const heard = {
  open: () => say({ event: "open" }),
  message: (data) => say(typeof data === "string" && !data.includes("\n") ? data : { event: "odd", data: String(data) }),
  error: (error) => say({ event: "error", message: String(error?.message ?? error) }),
  close: (code) => {
    say({ event: "close", code });
    process.stdin.destroy();
  },
};

// Each adapter connects, calls `heard`, and returns what the commands need.
const adapters = {
  async ws() {
    const { WebSocket } = await import("ws");
    const socket = new WebSocket(url);
    socket.on("open", heard.open);
    socket.on("message", (data, isBinary) => heard.message(isBinary ? data : data.toString()));
    socket.on("error", heard.error);
    socket.on("close", heard.close);
    return { send: (text) => socket.send(text), close: () => socket.close(1000) };
  },

  async websocket() {
    const { default: library } = await import("websocket");
    const client = new library.client();
    let connection;
    client.on("connectFailed", (error) => {
      heard.error(error);
      heard.close(1006);
    });
    client.on("connect", (opened) => {
      connection = opened;
      connection.on("message", (message) => heard.message(message.utf8Data ?? message.binaryData));
      connection.on("error", heard.error);
      connection.on("close", heard.close);
      heard.open();
    });
    client.connect(url);
    return { send: (text) => connection.sendUTF(text), close: () => connection.close(1000) };
  },

  async "faye-websocket"() {
    const { default: library } = await import("faye-websocket");
    const socket = new library.Client(url);
    socket.on("open", heard.open);
    socket.on("message", (event) => heard.message(event.data));
    socket.on("error", heard.error);
    socket.on("close", (event) => heard.close(event.code));
    return { send: (text) => socket.send(text), close: () => socket.close(1000) };
  },
};

const client = await adapters[library]();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line.startsWith("send ")) client.send(line.slice("send ".length));
    else if (line === "close") client.close();
  })
  .on("close", () => process.exit());
