// A stand-in for a container: `serve NAME PORT` answers TCP and UDP with "NAME SOURCE", `ask tcp|udp ADDRESS PORT` prints the
// answer or the error's code, `ask resolve SERVER NAME` an address from that DNS server.
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect, createServer } from "node:net";

const [mode, ...args] = process.argv.slice(2);

function serve(name: string, port: number): void {
  createServer((socket) => {
    socket.on("error", () => {});
    socket.end(`${name} ${socket.remoteAddress}`);
  }).listen(port, "0.0.0.0", () => console.log("ready"));
  const udp = createSocket("udp4");
  udp.on("message", (_, from) => udp.send(`${name} ${from.address}`, from.port, from.address));
  udp.bind(port, "0.0.0.0");
}

function ask(protocol: string, address: string, port: number): void {
  const finish = (text: string) => {
    console.log(text);
    process.exit(0);
  };
  setTimeout(() => finish("timeout"), 1500);
  if (protocol === "tcp") {
    const socket = connect(port, address);
    socket.on("data", (data) => finish(data.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    return;
  }
  const udp = createSocket("udp4");
  udp.on("message", (data) => finish(data.toString()));
  udp.on("error", (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
  udp.connect(port, address, () => udp.send("?"));
}

async function resolve(server: string, name: string): Promise<void> {
  const resolver = new Resolver();
  resolver.setServers([server]);
  const found = await resolver.resolve4(name).catch((error: NodeJS.ErrnoException) => [error.code ?? error.message]);
  console.log(found.join());
}

if (mode === "ask" && args[0] === "resolve") await resolve(args[1]!, args[2]!);
else if (mode === "serve") serve(args[0]!, Number(args[1]));
else ask(args[0]!, args[1]!, Number(args[2]));
