// Summarizes the progress messages of all layers of a pull, and reports the summary a few times a second.

export interface PullMessage {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

export interface PullStatus {
  readonly layers: number;
  /** Number of complete layers. */
  readonly done: number;
  readonly bytes: number;
  /** Total size of the layers that the engine has announced so far. */
  readonly bytesTotal: number;
  readonly [fact: string]: number;
}

interface Layer {
  bytes: number;
  total: number;
  done: boolean;
}

const reportIntervalMs = 500;
const layersMax = 1_000;
const layerStatuses = [
  'Pulling fs layer',
  'Waiting',
  'Downloading',
  'Verifying Checksum',
  'Download complete',
  'Extracting',
];
const doneStatuses = ['Pull complete', 'Already exists'];

export class PullProgress {
  readonly #layers = new Map<string, Layer>();
  readonly #report: (status: PullStatus) => void;
  readonly #now: () => number;
  #reportedAt = -Infinity;
  #lastReported = '';

  constructor(report: (status: PullStatus) => void, now: () => number = () => performance.now()) {
    this.#report = report;
    this.#now = now;
  }

  /** Adds a message. Reports changes at most twice a second, and always reports the completion of the last layer. */
  add(message: PullMessage): void {
    if (!this.#update(message)) return;
    const status = this.#status();
    const json = JSON.stringify(status);
    const due = this.#now() - this.#reportedAt >= reportIntervalMs || status.done === status.layers;
    if (!due || json === this.#lastReported) return;
    this.#reportedAt = this.#now();
    this.#lastReported = json;
    this.#report(status);
  }

  /** Returns false for a message that is not about a layer, or is about a layer above the limit `layersMax`. */
  #update({ id, status = '', progressDetail }: PullMessage): boolean {
    const done = doneStatuses.includes(status);
    if (id === undefined || !(done || layerStatuses.includes(status))) return false;
    if (!this.#layers.has(id) && this.#layers.size >= layersMax) return false;
    const layer = this.#layers.get(id) ?? { bytes: 0, total: 0, done: false };
    this.#layers.set(id, layer);
    // Count only "Downloading", because "Extracting" counts the same bytes again.
    if (status === 'Downloading') layer.bytes = progressDetail?.current ?? layer.bytes;
    layer.total = Math.max(layer.total, progressDetail?.total ?? 0, layer.bytes);
    if (status === 'Download complete' || done) layer.bytes = layer.total;
    layer.done ||= done;
    return true;
  }

  #status(): PullStatus {
    const layers = [...this.#layers.values()];
    return {
      layers: layers.length,
      done: layers.filter((layer) => layer.done).length,
      bytes: layers.reduce((sum, layer) => sum + layer.bytes, 0),
      bytesTotal: layers.reduce((sum, layer) => sum + layer.total, 0),
    };
  }
}
