// Finds the containers that ran out of memory in the records of the kernel log.

/** Maximum number of containers to remember. The oldest is dropped first. */
const victimsMax = 1_000;
/** A longer message is dropped, because its end must be missing: the kernel limits each of its two paths to 4 KiB. */
const messageCharsMax = 16 << 10;

/** The containers in which a process was killed for lack of memory, according to the records of the kernel. */
export class OomVictims {
  readonly #containers = new Set<string>();
  /** Beginning of a message whose rest follows in other records. */
  #message = '';

  has(container: string): boolean {
    return this.#containers.has(container);
  }

  /** Adds the container that a record names, in the format of /dev/kmsg: `PRIORITY,NUMBER,TIME,FLAGS;TEXT`. */
  add(record: string): void {
    const [, priority, flag, text = ''] = /^(\d+),\d+,\d+,(.)[^;]*;([^\n]*)/.exec(record) ?? [];
    // Programs can write records as well, but not with the facility of the kernel.
    if (Number(priority) >> 3 !== 0) return;
    if (text.startsWith('oom-kill:')) this.#message = text;
    // The kernel splits a message into several records when another processor has written a record in between.
    else if (flag === 'c' && this.#message !== '') this.#message += text;
    const cgroup = /,task_memcg=(.*?),task=/.exec(this.#message)?.[1];
    if (cgroup !== undefined || this.#message.length > messageCharsMax) this.#message = '';
    // The path names more than one container if one runs in another.
    for (const [id] of (cgroup ?? '').matchAll(/[0-9a-f]{64}/g)) this.#remember(id);
  }

  #remember(container: string): void {
    this.#containers.delete(container);
    this.#containers.add(container);
    if (this.#containers.size <= victimsMax) return;
    for (const oldest of this.#containers) {
      this.#containers.delete(oldest);
      return;
    }
  }
}
