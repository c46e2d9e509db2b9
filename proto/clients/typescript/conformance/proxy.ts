import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket, connect as connectSocket } from "node:net";

/** A TCP proxy that breaks connections. */
export class Proxy {
  /** Connections that clients opened. */
  connections = 0;
  /** Bytes that clients sent. */
  sentBytes = 0;
  readonly #server: Server;
  /** The ends of each connection. */
  readonly #pairs = new Set<{ client: Socket; server: Socket }>();
  #refusing = false;

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => this.#accept(client, host, port));
  }

  static async start(target: string): Promise<Proxy> {
    const { hostname, port } = new URL(`http://${target}`);
    const proxy = new Proxy(hostname, Number(port));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** The `host:port` to connect to. */
  get target(): string {
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends all connections and refuses new ones until `restore`. */
  cut(): void {
    this.#refusing = true;
    this.#endAll();
  }

  restore(): void {
    this.#refusing = false;
  }

  /** Keeps what the server sends on the open connections until `release`. */
  hold(): void {
    for (const { server } of this.#pairs) server.pause();
  }

  release(): void {
    for (const { server } of this.#pairs) server.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #endAll(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  #accept(client: Socket, host: string, port: number): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    this.connections++;
    const server = connectSocket(port, host);
    const pair = { client, server };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      // An error is followed by the close.
      socket
        .on("error", () => {})
        .on("close", () => {
          this.#pairs.delete(pair);
          client.destroy();
          server.destroy();
        });
    }
    client.on("data", (bytes) => {
      this.sentBytes += bytes.length;
      server.write(bytes);
    });
    server.on("data", (bytes) => client.write(bytes));
  }
}
