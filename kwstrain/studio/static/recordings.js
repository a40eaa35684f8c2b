// A list of recordings with their pictures: the takes, or what is not the word.
import {FrontEnd, draw, samplesOf, wav} from "./sound.js";
import {ask} from "./server.js";

const READ = /\.(wav|flac|ogg|opus|mp3|aiff?)$/i;  // by the server; other kinds are decoded here
const plain = name => name.replace(/[\\/:\p{C}]/gu, "-").replace(/^\.+/, "").slice(-60) || "recording";

export class Recordings {
  constructor(page, kind, list, count) {
    Object.assign(this, {page, kind, list, count, tiles: new Map(), latest: ""});
  }

  /** Saves a Blob, and says what came of it. */
  async add(blob, name = "") {
    const {page} = this;
    if (blob.size > page.state.most_bytes[this.kind]) {
      return page.say(`${name}: more than ${page.state.most_bytes[this.kind] / 1e6} MB: cut it.`, true);
    }
    try {
      const saved = await page.outbox.send(this.kind, blob, name);
      this.latest = saved.name;
      await page.refresh();
      const play = button("small", "Play", () => page.play(`${this.kind}/${saved.name}`));
      const discard = button("small", "Discard", () => this.remove(saved.name)), keep = button("small", "Keep", () => page.say(""));
      page.say(saved.fault ? `${saved.name} ${saved.fault}` : `Saved as ${saved.name}.`, Boolean(saved.fault), play, keep, discard);
    } catch (error) {
      page.say(error.message, true);
    }
    return undefined;
  }

  async addFiles(files) {
    for (const file of files) {
      if (READ.test(file.name)) {
        await this.add(file, plain(file.name));
        continue;
      }
      try {
        const {sr} = this.page.state;
        await this.add(wav(await samplesOf(file, sr), sr), `${plain(file.name).replace(/\.\w+$/, "")}.wav`);
      } catch {
        this.page.say(`${file.name} is not a recording that this browser can read.`, true);
      }
    }
  }

  async remove(name) {
    try {
      await ask("DELETE", `${this.kind}/${encodeURIComponent(name)}`);
      this.page.say(`${name} is gone.`);
      await this.page.refresh();
    } catch (error) {
      this.page.say(error.message, true);
    }
  }

  show(state) {
    const known = state[this.kind], names = new Set(known.map(one => one.name));
    this.count.textContent = known.length || "";
    for (const [name, tile] of this.tiles) {
      if (names.has(name)) continue;
      tile.remove();
      this.tiles.delete(name);
    }
    for (const one of known) {
      if (this.tiles.has(one.name)) continue;
      const tile = this.tile(one);
      this.tiles.set(one.name, tile);
      this.list.prepend(tile);
    }
    const left = new Map((state.run?.report.left_out ?? []).map(({path, reason}) => [path.split("/").pop(), reason]));
    for (const one of known) this.judge(this.tiles.get(one.name), one, this.kind === "takes" ? one.fault || left.get(one.name) : one.fault);
  }

  judge(tile, {name}, fault) {
    tile.classList.toggle("fault", Boolean(fault));
    tile.classList.toggle("new", name === this.latest);
    tile.querySelector(".reason").textContent = fault || "";
  }

  tile({name, seconds}) {
    const tile = element("li", ""), canvas = element("canvas", ""), row = element("div", "row"), title = element("span", "name", name);
    const address = `${this.kind}/${encodeURIComponent(name)}`, remove = button("icon", "✕", () => this.remove(name));
    title.title = name;
    remove.title = `remove ${name}`;
    row.append(button("icon", "▶", () => this.page.play(address)), title, element("span", "seconds", `${seconds.toFixed(1)} s`), remove);
    tile.append(canvas, row, element("p", "reason"));
    new IntersectionObserver(([seen], observer) => {
      if (!seen.isIntersecting) return;
      observer.disconnect();
      this.picture(canvas, address).catch(() => canvas.remove());
    }).observe(tile);
    return tile;
  }

  async picture(canvas, address) {
    const samples = await samplesOf(await fetch(address), this.page.state.sr), frontEnd = new FrontEnd(this.page.front);
    const columns = frontEnd.push(samples.subarray(0, 30 * this.page.state.sr));
    draw(canvas, columns, columns.length, frontEnd.range);
  }
}

export function button(className, text, act) {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}
