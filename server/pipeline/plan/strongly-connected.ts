// Finds strongly connected components of a graph: sets of nodes that all reach each other.

type Graph = ReadonlyMap<string, readonly string[]>;

/**
 * Returns every component with more than one node, and every node with an edge to itself. Sorts the nodes of a
 * component, and components by their first node, in graph order. Takes time proportional to nodes and edges.
 *
 * Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972.
 */
export function stronglyConnectedComponents(graph: Graph): readonly (readonly string[])[] {
  const search = new TarjanSearch(graph);
  for (const node of graph.keys()) search.visitFrom(node);
  const order = new Map([...graph.keys()].map((node, at) => [node, at]));
  const positionOf = (node: string): number => order.get(node)!;
  const components = search.components.filter((nodes) => nodes.length > 1 || graph.get(nodes[0]!)!.includes(nodes[0]!));
  return components
    .map((nodes) => [...nodes].sort((a, b) => positionOf(a) - positionOf(b)))
    .sort((a, b) => positionOf(a[0]!) - positionOf(b[0]!));
}

interface Visit {
  readonly node: string;
  readonly neighbours: readonly string[];
  /** How many of `neighbours` have been visited. */
  visitedCount: number;
}

/**
 * One traversal of the whole graph. Uses an explicit stack, because a chain of a thousand nodes would need a thousand
 * recursive calls.
 */
class TarjanSearch {
  readonly components: string[][] = [];
  readonly #graph: Graph;
  /** Number of each node, in the order in which the search reached them. */
  readonly #number = new Map<string, number>();
  /** The lowest number of an open node that each node is known to reach. */
  readonly #low = new Map<string, number>();
  /** Nodes that the search has reached but not yet assigned to a component. */
  readonly #open: string[] = [];
  readonly #isOpen = new Set<string>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  visitFrom(start: string): void {
    if (this.#number.has(start)) return;
    const visits = [this.#reach(start)];
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const next = visit.neighbours[visit.visitedCount++];
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
    return { node, neighbours: (this.#graph.get(node) ?? []).filter((name) => this.#graph.has(name)), visitedCount: 0 };
  }

  #leave(node: string, parent: string | undefined): void {
    const low = this.#low.get(node)!;
    if (parent !== undefined) this.#lower(parent, low);
    if (low !== this.#number.get(node)) return;
    const component = this.#open.splice(this.#open.lastIndexOf(node));
    for (const name of component) this.#isOpen.delete(name);
    this.components.push(component);
  }

  #lower(node: string, to: number): void {
    this.#low.set(node, Math.min(this.#low.get(node)!, to));
  }
}
