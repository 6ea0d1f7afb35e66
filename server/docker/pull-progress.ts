// How far a pull is: many messages about many layers, summed up a few times a second.

export interface PullMessage {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export interface PullFacts {
  readonly layers: number;
  /** Layers that are complete. */
  readonly done: number;
  readonly bytes: number;
  /** Grows while layers are still being announced. */
  readonly bytesTotal: number;
  readonly [fact: string]: number;
}

interface Layer {
  bytes: number;
  total: number;
  done: boolean;
}

const everyMs = 500;
const layersMax = 1_000;
const layerWords = ['Pulling fs layer', 'Waiting', 'Downloading', 'Verifying Checksum', 'Download complete', 'Extracting'];
const doneWords = ['Pull complete', 'Already exists'];

export class PullProgress {
  readonly #layers = new Map<string, Layer>();
  readonly #tell: (facts: PullFacts) => void;
  readonly #now: () => number;
  #toldAt = -Infinity;
  #told = '';

  constructor(tell: (facts: PullFacts) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  /** Tells at most twice a second, and only what is new; the moment the last layer is complete is always told. */
  take(message: PullMessage): void {
    if (!this.#note(message)) return;
    const facts = this.#facts();
    const words = JSON.stringify(facts);
    const due = this.#now() - this.#toldAt >= everyMs || facts.done === facts.layers;
    if (!due || words === this.#told) return;
    this.#toldAt = this.#now();
    this.#told = words;
    this.#tell(facts);
  }

  /** False for what is not about a layer. */
  #note({ id, status = '', progressDetail }: PullMessage): boolean {
    const done = doneWords.includes(status);
    if (id === undefined || !(done || layerWords.includes(status))) return false;
    if (!this.#layers.has(id) && this.#layers.size >= layersMax) return false;
    const layer = this.#layers.get(id) ?? { bytes: 0, total: 0, done: false };
    this.#layers.set(id, layer);
    // "Extracting" counts the same bytes again.
    if (status === 'Downloading') layer.bytes = progressDetail?.current ?? layer.bytes;
    layer.total = Math.max(layer.total, progressDetail?.total ?? 0, layer.bytes);
    if (status === 'Download complete' || done) layer.bytes = layer.total;
    layer.done ||= done;
    return true;
  }

  #facts(): PullFacts {
    const layers = [...this.#layers.values()];
    return {
      layers: layers.length,
      done: layers.filter((layer) => layer.done).length,
      bytes: layers.reduce((sum, layer) => sum + layer.bytes, 0),
      bytesTotal: layers.reduce((sum, layer) => sum + layer.total, 0),
    };
  }
}
