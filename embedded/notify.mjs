/**
 * Who listens to which channel. PostgreSQL itself keeps listening to every channel that any client ever
 * listened to; which client is told is decided here.
 */
export class Listeners {
  #channels = new Map();

  /** @param {string} channel latin1 @param {object} client has `notify(channel, payload)` */
  add(channel, client) {
    if (!this.#channels.has(channel)) this.#channels.set(channel, new Set());
    this.#channels.get(channel).add(client);
  }

  /** Ends listening; channel '*' means all of the client's. */
  remove(channel, client) {
    const names = channel === '*' ? [...this.#channels.keys()] : [channel];
    for (const name of names) {
      const clients = this.#channels.get(name);
      clients?.delete(client);
      if (clients?.size === 0) this.#channels.delete(name);
    }
  }

  /** Notifies every client that listens to `channel`. */
  deliver(channel, payload) {
    for (const client of this.#channels.get(channel) ?? []) client.notify(channel, payload);
  }
}
