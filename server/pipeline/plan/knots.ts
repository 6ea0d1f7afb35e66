// The knots of a graph: sets of nodes that all reach each other (strongly connected components).

type Graph = ReadonlyMap<string, readonly string[]>;

/**
 * Every set of nodes that reach each other, and every node that leads to itself; nodes, and sets by their first node, in the order of the graph.
 * Takes time in proportion to nodes and edges. Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972.
 */
export function knots(graph: Graph): readonly (readonly string[])[] {
  const search = new Search(graph);
  for (const node of graph.keys()) search.from(node);
  const order = new Map([...graph.keys()].map((node, at) => [node, at]));
  const place = (node: string): number => order.get(node)!;
  const found = search.found.filter((set) => set.length > 1 || graph.get(set[0]!)!.includes(set[0]!));
  return found.map((set) => [...set].sort((a, b) => place(a) - place(b))).sort((a, b) => place(a[0]!) - place(b[0]!));
}

interface Visit {
  readonly node: string;
  readonly next: readonly string[];
  /** How many of `next` have been looked at. */
  seen: number;
}

/** One walk through the whole graph; with a stack of its own, for a thousand nodes in a row would be a thousand calls deep. */
class Search {
  readonly found: string[][] = [];
  readonly #graph: Graph;
  /** When each node was reached first. */
  readonly #number = new Map<string, number>();
  /** The earliest node that each is known to lead back to. */
  readonly #low = new Map<string, number>();
  /** Reached, and not yet in a set. */
  readonly #open: string[] = [];
  readonly #isOpen = new Set<string>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  from(start: string): void {
    if (this.#number.has(start)) return;
    const visits = [this.#reach(start)];
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const next = visit.next[visit.seen++];
      if (next === undefined) {
        visits.pop();
        this.#leave(visit.node, visits.at(-1)?.node);
      } else if (!this.#number.has(next)) visits.push(this.#reach(next));
      else if (this.#isOpen.has(next)) this.#lower(visit.node, this.#number.get(next)!);
    }
  }

  #reach(node: string): Visit {
    const number = this.#number.size;
    this.#number.set(node, number);
    this.#low.set(node, number);
    this.#open.push(node);
    this.#isOpen.add(node);
    return { node, next: (this.#graph.get(node) ?? []).filter((name) => this.#graph.has(name)), seen: 0 };
  }

  #leave(node: string, parent: string | undefined): void {
    const low = this.#low.get(node)!;
    if (parent !== undefined) this.#lower(parent, low);
    if (low !== this.#number.get(node)) return;
    const set = this.#open.splice(this.#open.lastIndexOf(node));
    for (const name of set) this.#isOpen.delete(name);
    this.found.push(set);
  }

  #lower(node: string, to: number): void {
    this.#low.set(node, Math.min(this.#low.get(node)!, to));
  }
}
