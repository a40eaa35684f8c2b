// What the page asks of the server, and what waits until the server answers.

/** A request; the answer's JSON. */
export async function ask(method, path, body) {
  const answer = await fetch(path, {method, body: body === undefined || body instanceof Blob ? body : JSON.stringify(body)});
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw Object.assign(new Error((await answer.json().catch(() => ({}))).error ?? answer.statusText), {refused: answer.status});
}

export async function bytesOf(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.arrayBuffer();
}

const RETRY_MS = 2000;

/** Recordings on their way: one that the server does not take now is sent again until it does. */
export class Outbox {
  constructor(list) {
    this.list = list;
    this.items = [];
    this.sending = false;
    addEventListener("beforeunload", event => { if (this.items.length) event.preventDefault(); });
  }

  /** Sends a Blob as a recording of `kind`; resolves to what the server says of it, rejects where it is refused. */
  send(kind, blob, name = "") {
    return new Promise((resolve, reject) => {
      this.items.push({path: `${kind}?name=${encodeURIComponent(name)}`, blob, name: name || "recording.wav", resolve, reject});
      if (!this.sending) this.work();
    });
  }

  async work() {
    this.sending = true;
    while (this.items.length) {
      const [item] = this.items;
      try {
        item.resolve(await ask("POST", item.path, item.blob));
      } catch (error) {
        if (!error.refused || error.refused === 403) {  // not there, or another server since
          this.show();
          await new Promise(resolve => setTimeout(resolve, RETRY_MS));
          continue;
        }
        item.reject(error);
      }
      this.items.shift();
      this.show();
    }
    this.sending = false;
  }

  show() {
    this.list.replaceChildren(...this.items.map(({blob, name}) => {
      const item = element("li", "", "Not saved yet: the server does not answer. It will be sent as soon as it does; or "), link = element("a", "", "save it as a file");
      Object.assign(link, {href: URL.createObjectURL(blob), download: name});
      item.append(link);
      return item;
    }));
  }
}
